"""The sides of a race about one order: the payer who pays, the merchant who closes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from acquiring.contracts import CloseReason, OrderAlreadyPaid
from acquiring.services.closing import close_order
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.concurrency.institution import WordKeeper
from tests.trading import Trade


def charge_at(moment: str, attempt_no: str, keeper: WordKeeper) -> Callable[[], None]:
    """The payer's side: at this moment the institution charges if it still may, then notifies."""

    def pay() -> None:
        if moment != "at once":
            keeper.wait_for(attempt_no, moment)
        answer = keeper.charge(attempt_no)
        if answer is not None:
            apply_attempt_outcome(attempt_no=attempt_no, answer=answer, cause=Cause.CALLBACK)

    return pay


def pay_at(moment: str, trade: Trade, keeper: WordKeeper) -> Callable[[], None]:
    """The same, of a trade's one attempt."""
    (attempt,) = trade.attempts()
    return charge_at(moment, attempt["attempt_no"], keeper)


def close_of(trade: Trade) -> Callable[[], None]:
    """The merchant's side."""

    def close() -> None:
        with suppress(OrderAlreadyPaid):
            close_order(
                order_no=trade.order_no,
                merchant_no=trade.merchant.merchant_no,
                reason=CloseReason.MERCHANT,
                cause="api",
            )

    return close
