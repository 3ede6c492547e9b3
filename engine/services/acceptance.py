"""Write the payment ahead: payment, detail and attempt are committed before any byte leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from engine.contracts import Cause, NewPayment, NoChannel
from engine.models import ChannelAttempt, PaymentDetail, PaymentOrder
from engine.services.moves import apply_move
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now


@transactions.require
def create_payment(new: NewPayment, *, cause: Cause) -> None:
    """Insert a payment with its external detail and the attempt at the first candidate (require).

    The owner must be locked and PAYING for this payment. Raises NoChannel when there is no candidate.
    """
    if not new.candidates:
        raise NoChannel
    payment = PaymentOrder.objects.create(
        payment_no=new.payment_no,
        order_no=new.order_no,
        live_order_no=new.order_no,
        merchant_no=new.merchant_no,
        amount=new.amount,
        currency=new.currency,
        method=new.method,
        fee_amount=new.fee_amount,
        options_digest=new.options_digest,
        candidates=list(new.candidates[1:]),
        context={
            "subject": new.subject,
            "expires_at": new.expires_at.isoformat(),
            "return_url": new.return_url,
            "options": dict(new.options),
            "metadata": dict(new.metadata),
        },
    )
    detail = PaymentDetail.objects.create(
        detail_no=numbers.new_number(numbers.DETAIL),
        payment=payment,
        method=new.method,
        channel_code=new.candidates[0],
        amount=new.amount,
        currency=new.currency,
    )
    apply_move(payment, "start_paying", cause=cause)
    create_attempt(
        payment=payment,
        detail=detail,
        channel_code=new.candidates[0],
        query_at=database_now() + timedelta(seconds=settings.INQUIRY_SCHEDULE_S[0]),
    )


@transactions.require
def create_attempt(
    *, payment: PaymentOrder, detail: PaymentDetail, channel_code: str, query_at: datetime
) -> ChannelAttempt:
    """Insert one attempt as CREATED (require). The unique index refuses a second live one of the detail."""
    return ChannelAttempt.objects.create(
        attempt_no=numbers.new_number(numbers.ATTEMPT),
        detail=detail,
        live_detail_no=detail.detail_no,
        payment_no=payment.payment_no,
        order_no=payment.order_no,
        channel_code=channel_code,
        amount=detail.amount,
        currency=detail.currency,
        next_query_at=query_at,
    )
