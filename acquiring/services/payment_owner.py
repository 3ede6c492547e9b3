"""Acquiring's end of the engine's port: results coming back up the one staircase."""

from __future__ import annotations

from acquiring.selectors import get_late_money_policy, lock_order
from acquiring.services.order_moves import end_failed_payment, succeed_order
from engine.ports import OwnerRefused, OwnerState
from paymentplatform.kernel import transactions


class OrderPaymentOwner:
    """A trade order owns its payments. See ``engine.ports.PaymentOwner`` for the promises."""

    @transactions.require
    def lock_owner(self, *, order_no: str) -> OwnerState:
        """Lock the order and tell whether it can still take a success (require)."""
        order = lock_order(order_no=order_no)
        return OwnerState(
            is_paying=order.status == "PAYING",
            payment_no=order.payment_no,
            merchant_no=order.merchant_no,
            late_money_policy=get_late_money_policy(merchant_no=order.merchant_no),
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
