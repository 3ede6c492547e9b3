"""A merchant's statement 对账单 as a file: RFC 4180, ASCII, every record with the same fields. Pure.

``LINE`` records are the day's facts, ``TOTAL`` records add them up by currency and type (``ALL``: all types), and the
``END`` record counts the lines: a file without it has broken off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from paymentplatform.kernel.money import format_decimal
from paymentplatform.kernel.spreadsheets import make_harmless, write_records

COLUMNS: Final = (
    "record",
    "type",
    "time",
    "order_no",
    "merchant_order_no",
    "payment_no",
    "refund_no",
    "merchant_refund_no",
    "late_money_no",
    "method",
    "currency",
    "amount",
    "amount_decimal",
    "count",
    "payout_no",
)
ALL_TYPES: Final = "ALL"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One fact; the amount in minor units, positive in the merchant's favour, ``time`` RFC 3339."""

    type: str
    time: str
    currency: str
    amount: int
    order_no: str = ""
    merchant_order_no: str = ""
    payment_no: str = ""
    refund_no: str = ""
    merchant_refund_no: str = ""
    late_money_no: str = ""
    method: str = ""
    payout_no: str = ""


@dataclass(slots=True)
class Totals:
    """What lines add up to, by currency and type."""

    sums: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def add(self, currency: str, kind: str, *, amount: int, count: int = 1) -> None:
        """Count lines of one type."""
        for name in (kind, ALL_TYPES):
            known_count, known = self.sums.get((currency, name), (0, 0))
            self.sums[currency, name] = known_count + count, known + amount

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return sum(count for (_, kind), (count, _) in self.sums.items() if kind == ALL_TYPES)


def write_header() -> bytes:
    """Write the first record: the names of the columns. No byte order mark: all is ASCII."""
    return write_records([dict(zip(COLUMNS, COLUMNS, strict=True))], columns=COLUMNS)


def write_lines(lines: Iterable[StatementLine]) -> bytes:
    """Write facts, one record each."""
    return write_records(
        (
            {
                "record": "LINE",
                "amount_decimal": format_decimal(line.amount, line.currency),
                "count": "1",
                **{name: make_harmless(getattr(line, name)) for name in StatementLine.__slots__},
            }
            for line in lines
        ),
        columns=COLUMNS,
    )


def write_end(totals: Totals) -> bytes:
    """Write the totals, each currency's ``ALL`` last, and the end marker."""
    ordered = sorted(
        totals.sums.items(), key=lambda item: (item[0][0], item[0][1] == ALL_TYPES, item[0][1])
    )
    records = [
        {
            "record": "TOTAL",
            "type": kind,
            "currency": currency,
            "amount": str(amount),
            "amount_decimal": format_decimal(amount, currency),
            "count": str(count),
        }
        for (currency, kind), (count, amount) in ordered
    ]
    return write_records([*records, {"record": "END", "count": str(totals.lines)}], columns=COLUMNS)
