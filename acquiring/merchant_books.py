"""What the ledger says about one merchant: balances, and the statement of a business day."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings

from acquiring.book_contracts import BalanceOfCurrency, StatementNotReady
from acquiring.selectors import find_merchant_order_numbers
from acquiring.statement_file import (
    StatementLine,
    Totals,
    write_end,
    write_header,
    write_lines,
)
from engine import api as engine
from engine.contracts import Reference
from ledger import api as ledger
from ledger.contracts import AccountKind, OwnerMovement
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import RateLimited
from paymentplatform.kernel.times import format_time

_KINDS: Final = (
    AccountKind.MERCHANT_PENDING,
    AccountKind.MERCHANT_AVAILABLE,
    AccountKind.PAYOUT_IN_FLIGHT,
)
_READY_AFTER: Final = timedelta(minutes=10)
"""A fact is dated when it is posted; whatever began before midnight has committed by then."""

STATEMENTS_AT_ONCE: Final = 1
"""In one process: writing one takes a thread for as long as it is large, and a process has few of them."""
_RETRY_AFTER_S: Final = 2
_turns: Final = threading.BoundedSemaphore(STATEMENTS_AT_ONCE)

_TYPES: Final = {
    "payment_paid": ("PAYMENT", "FEE"),
    "refund_accepted": ("REFUND", "FEE_RETURNED"),
    "refund_failed": ("REFUND_FAILED", "FEE"),
    "late_money_honoured": ("LATE_MONEY", "FEE"),
    "payout_confirmed": ("PAYOUT", "FEE"),
    "payout_returned": ("PAYOUT_RETURNED", "FEE"),
    "chargeback": ("CHARGEBACK", "FEE"),
    "channel_short_charged": ("DIFFERENCE", "FEE"),
    "channel_long_credited": ("DIFFERENCE", "FEE"),
    "channel_loss_recovered": ("DIFFERENCE", "FEE"),
}
"""The ledger's fact: what its amount and its fee are called; another fact goes by its own name."""

_NOTHING: Final = Reference(order_no="", payment_no="")


def list_merchant_balances(*, merchant_no: str) -> list[BalanceOfCurrency]:
    """Return pending, available and in transit, in minor units, for each currency the merchant has had."""
    found: dict[str, dict[str, int]] = {}
    for view in ledger.list_owner_balances(owner=merchant_no, kinds=_KINDS):
        code = ledger.parse_account_code(view.account_code)
        found.setdefault(code.currency, {})[code.kind] = view.balance
    return [
        BalanceOfCurrency(
            currency=currency,
            pending=by_kind.get(AccountKind.MERCHANT_PENDING, 0),
            available=by_kind.get(AccountKind.MERCHANT_AVAILABLE, 0),
            in_transit=by_kind.get(AccountKind.PAYOUT_IN_FLIGHT, 0),
        )
        for currency, by_kind in found.items()
    ]


def write_statement(*, merchant_no: str, day: date, with_lines: bool) -> Iterator[bytes]:
    """Return the statement of a business day that is over, piece by piece; bounded memory, one snapshot.

    Raises, before the first piece, StatementNotReady for a day that may still get facts, and RateLimited while this
    process writes another statement.
    """
    check_day_is_over(day)
    if not _turns.acquire(blocking=False):
        raise RateLimited("Another statement is being written.", retry_after_s=_RETRY_AFTER_S)
    write = _write_detail if with_lines else _write_summary
    return _Turn(write(merchant_no, day))


class _Turn(Iterator[bytes]):
    """The pieces of a statement, and the turn to write it: over with the last piece, or when nobody reads on."""

    def __init__(self, pieces: Generator[bytes]) -> None:
        self._pieces = pieces
        self._is_over = False

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the turn back; again changes nothing."""
        if not self._is_over:
            self._is_over = True
            try:
                self._pieces.close()
            finally:
                _turns.release()

    __del__ = close


def check_day_is_over(day: date) -> None:
    """Raise StatementNotReady for today, yesterday shortly after midnight, and days to come."""
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    try:
        ready_at = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone) + _READY_AFTER
    except OverflowError:
        raise StatementNotReady("There is no such day yet.") from None
    wait = ready_at - database_now()
    if wait > timedelta():
        raise StatementNotReady(
            f"The statement of {day} is ready at {format_time(ready_at.astimezone(UTC))}.",
            retry_after_s=int(wait.total_seconds()) + 1 if wait < timedelta(days=2) else None,
        )


def _write_detail(merchant_no: str, day: date) -> Generator[bytes]:
    totals = Totals()
    yield write_header()
    for movements in ledger.list_owner_movements(
        owner=merchant_no, kinds=_KINDS, accounting_date=day
    ):
        lines = _describe(movements)
        for line in lines:
            totals.add(line.currency, line.type, amount=line.amount)
        yield write_lines(lines)
    yield write_end(totals)


def _write_summary(merchant_no: str, day: date) -> Generator[bytes]:
    """The same totals, added up by the database."""
    totals = Totals()
    for row in ledger.total_owner_movements(owner=merchant_no, kinds=_KINDS, accounting_date=day):
        names = _names_of(row.event_type)
        counted = zip(names, (row.amount, row.fee), (row.count, row.fee_count), strict=True)
        for name, amount, count in counted:
            if count:
                totals.add(row.currency, name, amount=amount, count=count)
    yield write_header()
    yield write_end(totals)


def _describe(movements: list[OwnerMovement]) -> list[StatementLine]:
    """Make the lines of a chunk: at most one for the amount and one for the fee of each fact."""
    references = engine.list_references(object_nos=[one.event_id for one in movements])
    own_numbers = find_merchant_order_numbers(
        order_nos={reference.order_no for reference in references.values()}
    )
    lines = []
    for one in movements:
        reference = references.get(one.event_id, _NOTHING)
        for name, amount in zip(_names_of(one.event_type), (one.amount, one.fee), strict=True):
            if amount:
                lines.append(
                    StatementLine(
                        type=name,
                        time=format_time(one.created_at),
                        currency=one.currency,
                        amount=amount,
                        order_no=reference.order_no,
                        merchant_order_no=own_numbers.get(reference.order_no, ""),
                        payment_no=reference.payment_no,
                        refund_no=reference.refund_no,
                        merchant_refund_no=reference.merchant_refund_no,
                        late_money_no=reference.late_money_no,
                        method=reference.method,
                        payout_no=_payout_of(one),
                    )
                )
    return lines


def _payout_of(movement: OwnerMovement) -> str:
    is_payout = numbers.is_number(movement.event_id, numbers.PAYOUT)
    return movement.event_id if is_payout else ""


def _names_of(event_type: str) -> tuple[str, str]:
    return _TYPES.get(event_type, (event_type.upper(), "FEE"))
