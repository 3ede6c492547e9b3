"""Release 结算释放: what is due of one merchant and currency becomes available, part by part.

Locks: the settlement account, then the orders of the part (those that somebody holds are left for later), then the
ledger's accounts. A refund locks its order too, so it is either counted by the release or comes out of released money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Sum

from acquiring.models import (
    SettlementAccount,
    SettlementBatch,
    SettlementItem,
    TradeOrder,
)
from acquiring.release_plan import ItemClaim, ItemRelease, plan_release
from acquiring.services.settlement_moves import apply_settlement_move, record_birth
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.failpoints import failpoint

PART: Final = 2_000
"""Items in one transaction: what a crash undoes, and how long an order may wait for its lock."""

_CLAIMS: Final = """
SELECT journal_no, kind, payment_no, amount, fee, refunded, returned_fee, released, was_released
  FROM acquiring_item_claims(%s::text[])
"""
_DUE: Final = """
SELECT journal_no, order_no, accounting_date FROM acquiring_due_items(%s, %s, %s, %s, %s, %s)
"""
_OWING: Final = """
SELECT i.journal_no, i.order_no, i.accounting_date
  FROM acquiring_settlement_item AS i
  JOIN acquiring_trade_order AS o ON o.order_no = i.order_no
 WHERE i.merchant_no = %s AND i.currency = %s AND i.batch_no IS NULL AND i.kind = 'PAYMENT'
   AND o.refunded_amount + o.refunding_amount > i.amount - i.fee_amount
 ORDER BY i.accounting_date, i.journal_no LIMIT %s
"""
"""Payments from which refunds took more than they gave, as their fee was kept: also what is not due, or on hold."""
_RELEASE: Final = """
UPDATE acquiring_settlement_item AS i
   SET batch_no = %s, released_at = platform_now(), released_amount = r.released, refunded_amount = r.refunded,
       returned_fee_amount = r.returned_fee
  FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS r (journal_no, released, refunded, returned_fee)
 WHERE i.journal_no = r.journal_no AND i.batch_no IS NULL
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The last due item that a run has looked at; those it had to leave are not met again by the same run."""

    accounting_date: date = date.min
    journal_no: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What one part came to; ``position`` None: nothing more is due. ``batch_no`` None: nothing was released."""

    position: Position | None
    batch_no: str | None = None
    items: int = 0
    released: int = 0


@transactions.require
def release_part(
    *,
    account: SettlementAccount,
    settlement_date: date,
    cutoff: date,
    after: Position,
) -> Part:
    """Release the next part of what is due, dated ``cutoff`` or earlier; the account is locked (require).

    Orders that somebody holds are left for a later run. Where a kept fee of an order that is not due has taken of what
    is, that order is netted now. Raises the ledger's InsufficientBalance when the books have less pending than is due
    all the same: a broken invariant; nothing must then be committed.
    """
    due = _read_due(account, cutoff, after)
    if not due:
        return Part(None)
    position = Position(due[-1][2], due[-1][0])
    planned = _plan(due)
    if sum(one.amount for one in planned) > _read_pending(account):
        planned = _plan([*due, *_rows(_OWING, [account.merchant_no, account.currency, PART])])
    if not planned:
        return Part(position)
    batch = _open_batch(account, settlement_date)
    total = sum(one.amount for one in planned)
    _write_items(batch, planned)
    batch.part_count += 1
    batch.item_count += len(planned)
    batch.net_amount += total
    batch.save(update_fields=["part_count", "item_count", "net_amount"])
    if total:
        ledger.post_journal(
            draft=ledger.build_merchant_release(
                reference=f"{batch.batch_no}.{batch.part_count}",
                merchant_no=batch.merchant_no,
                currency=batch.currency,
                amount=total,
            )
        )
    failpoint("release_before_commit")
    return Part(position, batch.batch_no, len(planned), total)


@transactions.require
def close_batch(*, account: SettlementAccount) -> str | None:
    """Write the totals of the account's open batch and close it; its number, None when none is open (require)."""
    batch = _find_open(account)
    if batch is None:
        return None
    items = SettlementItem.objects.filter(batch_no=batch.batch_no)
    of_payments = items.exclude(kind=SettlementItem.Kind.REFUND_FAILED)
    firsts = of_payments.aggregate(
        gross=Sum("amount", default=0),
        fee=Sum("fee_amount", default=0),
        refunded=Sum("refunded_amount", default=0),
        returned=Sum("returned_fee_amount", default=0),
    )
    counted = items.aggregate(items=Count("journal_no"), net=Sum("released_amount", default=0))
    if (counted["items"], counted["net"]) != (batch.item_count, batch.net_amount):
        message = f"{batch.batch_no} says {batch.net_amount}, its items say {counted['net']}"
        raise RuntimeError(message)
    batch.gross_amount, batch.fee_amount = firsts["gross"], firsts["fee"]
    batch.refunded_amount, batch.returned_fee_amount = firsts["refunded"], firsts["returned"]
    batch.save(
        update_fields=["gross_amount", "fee_amount", "refunded_amount", "returned_fee_amount"]
    )
    apply_settlement_move(batch, "close", cause="settlement", closed_at=database_now())
    return str(batch.batch_no)


@transactions.require
def is_order_released(*, order_no: str) -> bool:
    """Tell whether a locked order's payment has become available: its refunds come out of that money (require)."""
    return SettlementItem.objects.filter(
        order_no=order_no, kind=SettlementItem.Kind.PAYMENT, batch_no__isnull=False
    ).exists()


def _read_due(
    account: SettlementAccount, cutoff: date, after: Position
) -> list[tuple[str, str | None, date]]:
    return _rows(
        _DUE,
        [
            account.merchant_no,
            account.currency,
            cutoff,
            after.accounting_date,
            after.journal_no,
            PART,
        ],
    )


def _lock_orders(due: Sequence[tuple[str, str | None, date]]) -> set[str]:
    """Lock the orders of these items, without waiting for any; return those that are locked now."""
    order_nos = {order_no for _, order_no, _ in due if order_no is not None}
    locked = (
        TradeOrder.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(order_no__in=order_nos)
        .order_by("order_no")
    )
    return set(locked.values_list("order_no", flat=True))


def _read_pending(account: SettlementAccount) -> int:
    code = ledger.merchant_pending(merchant_no=account.merchant_no, currency=account.currency)
    return ledger.get_balance(account_code=code).balance


def _plan(due: Sequence[tuple[str, str | None, date]]) -> list[ItemRelease]:
    """Lock the items' orders, then read what they claim: that statement sees what was committed before the locks."""
    locked = _lock_orders(due)
    free = [no for no, order_no, _ in due if order_no is None or order_no in locked]
    return plan_release([ItemClaim(*row) for row in _rows(_CLAIMS, [free])]) if free else []


def _open_batch(account: SettlementAccount, settlement_date: date) -> SettlementBatch:
    """Return the account's open batch of this day; one of an earlier day was left by a run that died, and ends here."""
    batch = _find_open(account)
    if batch is not None and batch.settlement_date != settlement_date:
        close_batch(account=account)
        batch = None
    if batch is None:
        batch = SettlementBatch.objects.create(
            batch_no=numbers.new_number(numbers.SETTLEMENT_BATCH),
            merchant_no=account.merchant_no,
            currency=account.currency,
            settlement_date=settlement_date,
        )
        record_birth(batch, cause="settlement")
    return batch


def _find_open(account: SettlementAccount) -> SettlementBatch | None:
    return SettlementBatch.objects.filter(
        merchant_no=account.merchant_no, currency=account.currency, closed_at__isnull=True
    ).first()


def _write_items(batch: SettlementBatch, planned: list[ItemRelease]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _RELEASE,
            [
                batch.batch_no,
                [one.journal_no for one in planned],
                [one.amount for one in planned],
                [one.refunded for one in planned],
                [one.returned_fee for one in planned],
            ],
        )
        if cursor.rowcount != len(planned):
            message = (
                f"{len(planned) - cursor.rowcount} items of {batch.batch_no} were released before"
            )
            raise RuntimeError(message)


def _rows(statement: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
