"""What a new refund must look like and whether its order can take it. Reports every fault of a form at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from acquiring.contracts import (
    CreateRefund,
    OrderNotPaid,
    RefundConflict,
    RefundExceedsPaid,
    RefundLimitReached,
    RefundWindowOver,
)
from acquiring.models import Merchant, TradeOrder
from acquiring.services.order_rules import MERCHANT_NUMBER, check_text
from engine import api as engine
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.money import MAX_AMOUNT, format_amount

_NUMBER_FORM = "1 to 64 characters of A-Z a-z 0-9 _ - ."


def check_new_refund(body: CreateRefund) -> None:
    """Raise InvalidRequest naming every field that is out of its range or form."""
    faults = []
    if not MERCHANT_NUMBER.match(body.merchant_refund_no):
        faults.append(FieldError("merchant_refund_no", "format", _NUMBER_FORM))
    if not 1 <= body.amount <= MAX_AMOUNT:
        faults.append(FieldError("amount", "range", f"1 to {MAX_AMOUNT} minor units"))
    if body.order_no is None and body.merchant_order_no is None:
        faults.append(FieldError("order_no", "required", "give order_no or merchant_order_no"))
    # A number that could be ours but is not is told like another merchant's order: there is no such order.
    if body.order_no is not None and not MERCHANT_NUMBER.match(body.order_no):
        faults.append(FieldError("order_no", "format", "a number of ours, ord_…"))
    if body.merchant_order_no is not None and not MERCHANT_NUMBER.match(body.merchant_order_no):
        faults.append(FieldError("merchant_order_no", "format", _NUMBER_FORM))
    faults += check_text("reason", body.reason, least=1, most=256)
    if faults:
        raise InvalidRequest("The refund is not valid.", errors=tuple(faults))


def check_same_refund(
    *, asked: CreateRefund, first: engine.RefundProgress, order: TradeOrder
) -> None:
    """Raise RefundConflict naming every field in which a request differs from the refund that has its number.

    ``order`` is the first refund's. Figures are shown, texts are not.
    """
    differing = [
        FieldError(field, "differs", detail)
        for field, differs, detail in (
            ("amount", asked.amount != first.amount, f"the first refund has {first.amount}"),
            (
                "order_no",
                asked.order_no not in {None, first.order_no},
                "not as in the first refund",
            ),
            (
                "merchant_order_no",
                asked.merchant_order_no not in {None, order.merchant_order_no},
                "not as in the first refund",
            ),
            ("reason", (asked.reason or "") != first.reason, "not as in the first refund"),
        )
        if differs
    ]
    if differing:
        raise RefundConflict(
            "This merchant_refund_no was used before with other content.", errors=tuple(differing)
        )


def check_refundable(
    *,
    order: TradeOrder,
    merchant: Merchant,
    amount: int,
    pulled_back: int,
    earlier: int,
    now: datetime,
) -> None:
    """Raise the precise refusal when a locked order cannot take this refund, ``earlier`` of which did not fail.

    ``pulled_back`` is what chargebacks have brought its payer already: he does not get it a second time.
    """
    if order.status != "SUCCESS" or order.paid_at is None:
        raise OrderNotPaid(f"The order is {order.status}.")
    left = max(0, order.amount - order.refunded_amount - order.refunding_amount - pulled_back)
    if amount > left:
        shown = format_amount(left, order.currency)
        raise RefundExceedsPaid(
            f"{left} minor units ({shown} {order.currency}) are left to refund."
        )
    if earlier >= merchant.max_refunds_per_order:
        raise RefundLimitReached(f"{earlier} refunds of this order are done or on their way.")
    if now >= order.paid_at + timedelta(days=merchant.refund_window_days):
        days = merchant.refund_window_days
        raise RefundWindowOver(f"Orders can be refunded for {days} days after their payment.")
