"""Batches to read: the detail file of one, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from acquiring.models import SettlementBatch, SettlementItem
from acquiring.selectors import find_merchant_order_numbers
from acquiring.settlement_file import (
    DetailLine,
    DetailTotals,
    write_details,
    write_head,
    write_totals,
)
from paymentplatform.kernel.errors import NotFound

CHUNK: Final = 1_000


def write_batch_details(*, batch_no: str) -> Iterator[bytes]:
    """Return the detail file of a closed batch, piece by piece; bounded memory. Raises NotFound before the first piece.

    Its items never change once it is closed: the same file every time.
    """
    batch = SettlementBatch.objects.filter(batch_no=batch_no, status="CLOSED").first()
    if batch is None:
        raise NotFound(f"There is no closed batch {batch_no}.")
    return _write_batch(batch)


def _write_batch(batch: SettlementBatch) -> Iterator[bytes]:
    number, currency = batch.batch_no, batch.currency
    totals = DetailTotals()
    yield write_head(
        batch_no=number,
        merchant_no=batch.merchant_no,
        settlement_date=batch.settlement_date.isoformat(),
        currency=currency,
    )
    after = ""
    while items := _read_items(number, after):
        after = items[-1].journal_no
        lines = _describe(items)
        for line in lines:
            totals.add(line)
        yield write_details(lines, batch_no=number, currency=currency)
    yield write_totals(totals, batch_no=number, currency=currency)


def _read_items(batch_no: str, after: str) -> list[SettlementItem]:
    items = SettlementItem.objects.filter(batch_no=batch_no, journal_no__gt=after)
    return list(items.order_by("journal_no")[:CHUNK])


def _describe(items: list[SettlementItem]) -> list[DetailLine]:
    own = find_merchant_order_numbers(
        order_nos={item.order_no for item in items if item.order_no is not None}
    )
    return [
        DetailLine(
            kind=item.kind,
            accounting_date=item.accounting_date.isoformat(),
            order_no=item.order_no or "",
            merchant_order_no=own.get(item.order_no or "", ""),
            payment_no=item.payment_no or "",
            event_id=item.event_id,
            amount=item.amount,
            fee=item.fee_amount,
            refunded=item.refunded_amount or 0,
            returned_fee=item.returned_fee_amount or 0,
            released=item.released_amount or 0,
        )
        for item in items
    ]
