"""Acquiring's floor of a payment: what checkout has accepted goes down from here to the engine."""

from __future__ import annotations

from acquiring.contracts import PayableOrder
from acquiring.fee_terms import calculate_contract_fee
from acquiring.services.order_moves import DELIVERY_TASK, begin_payment
from engine import api as engine
from paymentplatform.kernel import jobs, transactions


def calculate_fee(*, order: PayableOrder, method: str) -> int:
    """Return the merchant's fee in minor units for paying this order by ``method``, under the order's own contract."""
    return calculate_contract_fee(
        amount=order.amount,
        currency=order.currency,
        method=method,
        rate_ppm=order.fee_rate_ppm,
        terms=order.fee_terms,
    )


@transactions.start
def start_payment(*, new: engine.NewPayment, cause: str) -> engine.PaymentStatus:
    """Move the order to PAYING, write payment, details and attempt ahead and hold balances, all at once (start).

    Returns PAYING; or FAILED, the order rolled back, when the payer has less than the plan asks for exactly. Raises
    the precise refusal when the order cannot be paid now, PlanOutdated for an outdated plan: nothing was written.
    """
    begin_payment(
        order_no=new.order_no,
        merchant_no=new.merchant_no,
        payment_no=new.payment_no,
        amount=new.amount,
        currency=new.currency,
        cause=cause,
    )
    return engine.create_payment(new, cause=engine.Cause(cause))


@transactions.forbid
def submit_payment(*, payment_no: str) -> engine.PaymentProgress:
    """Send an accepted payment to its channel and tell how it stands (forbid)."""
    return engine.submit_payment(payment_no=payment_no)


@transactions.forbid
def close_live_payment(*, payment_no: str) -> engine.PaymentProgress:
    """Close the payment that stands in the way of another method, without closing the order (forbid)."""
    return engine.close_payment(payment_no=payment_no, cause=engine.Cause.CASHIER)


def ring_deliveries() -> None:
    """Wake the deliverer after a hot-path commit."""
    jobs.ring_now(DELIVERY_TASK)
