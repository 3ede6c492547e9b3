"""Acquiring's end of the engine's port: results coming back up the one staircase."""

from __future__ import annotations

from acquiring.contracts import CloseReason
from acquiring.selectors import get_late_money_terms, lock_order
from acquiring.services.channel_payments import take_success
from acquiring.services.late_money import announce_late_money, calculate_late_money_fee
from acquiring.services.order_moves import (
    close_idle_order,
    end_failed_payment,
    end_order_refund,
    succeed_order,
)
from acquiring.services.plain_refunds import take_refund_success
from engine.contracts import Cause, LateMoneyState
from engine.ports import OwnerRefused, OwnerState
from paymentplatform.kernel import transactions


class OrderPaymentOwner:
    """A trade order owns its payments. See ``engine.ports.PaymentOwner`` for the promises."""

    @transactions.forbid
    def take_success(self, *, attempt_no: str, charge: str, words: bytes) -> str | None:
        """Take a plain success and make its order SUCCESS (forbid)."""
        return take_success(attempt_no=attempt_no, charge=charge, words=words)

    @transactions.forbid
    def take_refund_success(self, *, refund_no: str, words: bytes) -> str | None:
        """End a plain refund and tell the merchant (forbid)."""
        return take_refund_success(refund_no=refund_no, words=words)

    @transactions.require
    def lock_owner(self, *, order_no: str) -> OwnerState:
        """Lock the order and tell whether it can still take a success (require)."""
        order = lock_order(order_no=order_no)
        policy, minutes = get_late_money_terms(merchant_no=order.merchant_no)
        return OwnerState(
            is_paying=order.status == "PAYING",
            payment_no=order.payment_no,
            merchant_no=order.merchant_no,
            late_money_policy=policy,
            late_money_ask_minutes=minutes,
            is_paid=order.status == "SUCCESS",
        )

    @transactions.require
    def payment_succeeded(self, *, order_no: str, payment_no: str, cause: str) -> None:
        """Make the order SUCCESS and tell the merchant (require)."""
        if not succeed_order(order_no=order_no, cause=cause):
            message = f"{order_no} cannot take the success of {payment_no}"
            raise OwnerRefused(message)

    @transactions.require
    def payment_failed(
        self, *, order_no: str, payment_no: str, failure_code: str, counts_as_try: bool, cause: str
    ) -> None:
        """Roll the order back, fail it or finish its close (require)."""
        state = end_failed_payment(
            order_no=order_no, failure_code=failure_code, counts_as_try=counts_as_try, cause=cause
        )
        if state is None:
            message = f"{order_no} is not waiting for {payment_no}"
            raise OwnerRefused(message)

    @transactions.require
    def refund_ended(
        self, *, order_no: str, refund_no: str, amount: int, succeeded: bool, cause: str
    ) -> None:
        """Move the order's refund counters and tell the merchant (require)."""
        counted = end_order_refund(
            order_no=order_no, refund_no=refund_no, amount=amount, succeeded=succeeded
        )
        if not counted:
            message = f"{order_no} has not counted {refund_no} over {amount} as on its way"
            raise OwnerRefused(message)

    @transactions.require
    def late_money_pending(self, *, late_money: LateMoneyState) -> None:
        """Ask the merchant (require)."""
        announce_late_money(event_type="late_money.pending", late_money=late_money)

    @transactions.require
    def late_money_resolved(self, *, late_money: LateMoneyState) -> None:
        """Tell the merchant (require)."""
        announce_late_money(event_type="late_money.resolved", late_money=late_money)

    @transactions.require
    def close_for_kept_money(self, *, order_no: str, cause: str) -> None:
        """Close the order if it is INIT: its merchant has the money (require)."""
        reason = CloseReason.MERCHANT if cause == Cause.API else CloseReason.OPERATOR
        close_idle_order(order_no=order_no, reason=reason, cause=cause)

    @transactions.require
    def late_money_fee(self, *, order_no: str, amount: int, currency: str, method: str) -> int:
        """Return the fee under the order's contract (require)."""
        return calculate_late_money_fee(
            order_no=order_no, amount=amount, currency=currency, method=method
        )
