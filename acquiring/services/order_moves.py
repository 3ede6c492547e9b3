"""Ask the database for the moves of an order; the SQL functions write row, event row and merchant event together."""

from __future__ import annotations

from django.conf import settings

from paymentplatform.kernel import context, jobs, numbers, transactions
from paymentplatform.kernel.sqlcalls import call_function

DELIVERY_TASK = "acquiring.deliver_due_notifications"


def _event_numbers() -> tuple[str, str, str]:
    return (
        numbers.new_number(numbers.EVENT),
        numbers.new_number(numbers.DELIVERY),
        settings.BASE_URL,
    )


def _who() -> tuple[str, str]:
    return context.actor.get(), context.request_id.get()


@transactions.require
def succeed_order(*, order_no: str, cause: str) -> bool:
    """PAYING → SUCCESS with its merchant event; False when the order was not PAYING (require)."""
    moved = call_function("acquiring_succeed_order", order_no, *_event_numbers(), cause, *_who())
    jobs.ring(DELIVERY_TASK)
    return bool(moved)


@transactions.require
def end_failed_payment(
    *, order_no: str, failure_code: str, counts_as_try: bool, cause: str
) -> str | None:
    """PAYING → CLOSED, INIT or FAILED after a payment that certainly took nothing (require)."""
    state = call_function(
        "acquiring_end_failed_payment",
        order_no,
        failure_code,
        counts_as_try,
        *_event_numbers(),
        cause,
        *_who(),
    )
    jobs.ring(DELIVERY_TASK)
    return str(state) if state is not None else None


@transactions.require
def close_idle_order(*, order_no: str, reason: str, cause: str) -> bool:
    """INIT → CLOSED with its merchant event; False when the order was not INIT (require)."""
    moved = call_function(
        "acquiring_close_idle_order", order_no, reason, *_event_numbers(), cause, *_who()
    )
    jobs.ring(DELIVERY_TASK)
    return bool(moved)


@transactions.require
def end_order_refund(*, order_no: str, refund_no: str, amount: int, succeeded: bool) -> bool:
    """Count a refund as done or as come to nothing, with its merchant event (require).

    False, with nothing written, when the order has not that much on its way back.
    """
    counted = call_function(
        "acquiring_end_refund",
        order_no,
        refund_no,
        amount,
        succeeded,
        numbers.new_number(numbers.EVENT),
        numbers.new_number(numbers.DELIVERY),
    )
    jobs.ring(DELIVERY_TASK)
    return bool(counted)


@transactions.require
def begin_payment(
    *, order_no: str, merchant_no: str, payment_no: str, amount: int, currency: str, cause: str
) -> None:
    """INIT → PAYING for this payment (require). Raises the precise refusal when the order cannot be paid now."""
    call_function(
        "acquiring_begin_payment",
        order_no,
        merchant_no,
        payment_no,
        amount,
        currency,
        cause,
        *_who(),
    )
