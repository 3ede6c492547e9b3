"""A settlement batch as a detail file 结算明细: RFC 4180, ASCII, every record with the same fields. Pure.

One ``BATCH`` record says what it is, ``LINE`` records are its items, ``TOTAL`` records add them up by kind (``ALL``:
what the batch released), and the ``END`` record counts the lines: a file without it has broken off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from paymentplatform.kernel.money import format_decimal
from paymentplatform.kernel.spreadsheets import make_harmless, write_records

COLUMNS: Final = (
    "record",
    "batch_no",
    "merchant_no",
    "settlement_date",
    "kind",
    "accounting_date",
    "order_no",
    "merchant_order_no",
    "payment_no",
    "event_id",
    "currency",
    "amount",
    "fee",
    "refunded",
    "returned_fee",
    "released",
    "released_decimal",
    "count",
)
ALL: Final = "ALL"


@dataclass(frozen=True, slots=True)
class DetailLine:
    """One item; amounts in minor units."""

    kind: str
    accounting_date: str
    order_no: str
    merchant_order_no: str
    payment_no: str
    event_id: str
    amount: int
    fee: int
    refunded: int
    returned_fee: int
    released: int


@dataclass(slots=True)
class DetailTotals:
    """What lines add up to, by kind: (count, released)."""

    sums: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, line: DetailLine) -> None:
        """Count one line."""
        for kind in (line.kind, ALL):
            count, released = self.sums.get(kind, (0, 0))
            self.sums[kind] = count + 1, released + line.released


def write_head(*, batch_no: str, merchant_no: str, settlement_date: str, currency: str) -> bytes:
    """Write the names of the columns and the record of the batch."""
    batch = {
        "record": "BATCH",
        "batch_no": batch_no,
        "merchant_no": merchant_no,
        "settlement_date": settlement_date,
        "currency": currency,
    }
    return write_records([dict(zip(COLUMNS, COLUMNS, strict=True)), batch], columns=COLUMNS)


def write_details(lines: Iterable[DetailLine], *, batch_no: str, currency: str) -> bytes:
    """Write items, one record each."""
    return write_records(
        (
            {
                "record": "LINE",
                "batch_no": batch_no,
                "currency": currency,
                "released_decimal": format_decimal(line.released, currency),
                "count": "1",
                **{name: make_harmless(getattr(line, name)) for name in DetailLine.__slots__},
            }
            for line in lines
        ),
        columns=COLUMNS,
    )


def write_totals(totals: DetailTotals, *, batch_no: str, currency: str) -> bytes:
    """Write the totals, ``ALL`` last, and the end marker."""
    ordered = sorted(totals.sums.items(), key=lambda item: (item[0] == ALL, item[0]))
    records = [
        {
            "record": "TOTAL",
            "batch_no": batch_no,
            "kind": kind,
            "currency": currency,
            "released": str(released),
            "released_decimal": format_decimal(released, currency),
            "count": str(count),
        }
        for kind, (count, released) in ordered
    ]
    lines = totals.sums.get(ALL, (0, 0))[0]
    return write_records(
        [*records, {"record": "END", "batch_no": batch_no, "count": str(lines)}], columns=COLUMNS
    )
