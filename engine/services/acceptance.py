"""Write the payment ahead: payment, details, holds and attempt are committed before any byte leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from engine.contracts import Cause, NewPayment, NoChannel, PaymentStatus
from engine.exchange import ExchangePlan, ExternalLeg, ImpossibleExchange, PlanOutdated
from engine.models import ChannelAttempt, PaymentDetail, PaymentOrder
from engine.ports import payment_owner
from engine.services.holds import create_internal_details, end_untaken_details, place_holds
from engine.services.moves import apply_move
from engine.services.saved_cards import route_card_token, seal_options
from paymentplatform.kernel import metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.transactions import after_commit

INSUFFICIENT_BALANCE = "insufficient_balance"
"""Failure code of a payment whose payer has less than it was to take."""


@transactions.require
def create_payment(new: NewPayment, *, cause: Cause) -> PaymentStatus:
    """Insert a payment with its details, hold the internal ones, and prepare the attempt at the first candidate.

    Must be called inside a transaction (require) with the owner locked and PAYING for this payment. Returns PAYING;
    or FAILED, the owner told, when a balance that the plan asks for exactly is too small. Raises NoChannel when
    there is no candidate, CardTokenInvalid for a saved card that is not this payer's, PlanOutdated when the payer has
    less than was read, ImpossibleExchange for a wrong plan.
    """
    if not new.candidates:
        raise NoChannel
    plan = new.plan or ExchangePlan(new.amount, (), ExternalLeg(new.method, new.amount))
    if plan.external is None or plan.amount != new.amount:
        message = f"the plan of {new.payment_no} is not for a payment of {new.amount} by a channel"
        raise ImpossibleExchange(message)
    channel_code, *rest = route_card_token(
        card_token=new.options.get("card_token"),
        merchant_no=new.merchant_no,
        payer_ref=new.payer_ref,
        candidates=new.candidates,
    )
    payment = _insert_payment(new, plan, rest)
    internal = create_internal_details(payment=payment, plan=plan)
    external = PaymentDetail.objects.create(
        detail_no=numbers.new_number(numbers.DETAIL),
        payment=payment,
        method=plan.external.method,
        channel_code=channel_code,
        amount=plan.external.amount,
        currency=new.currency,
    )
    apply_move(payment, "start_paying", cause=cause)
    if not place_holds(payment=payment, details=internal, cause=cause):
        if not plan.is_exact:
            raise PlanOutdated
        _fail_short_payment(payment, [*internal, external], cause)
        return PaymentStatus.FAILED
    create_attempt(
        payment=payment,
        detail=external,
        channel_code=channel_code,
        query_at=database_now() + timedelta(seconds=settings.INQUIRY_SCHEDULE_S[0]),
    )
    return PaymentStatus.PAYING


def _insert_payment(new: NewPayment, plan: ExchangePlan, rest: list[str]) -> PaymentOrder:
    return PaymentOrder.objects.create(
        payment_no=new.payment_no,
        order_no=new.order_no,
        live_order_no=new.order_no,
        merchant_no=new.merchant_no,
        payer_no=plan.payer_no,
        amount=new.amount,
        currency=new.currency,
        method=new.method,
        fee_amount=new.fee_amount,
        options_digest=new.options_digest,
        candidates=rest,
        context={
            "subject": new.subject,
            "payee": new.payee,
            "payer_ref": new.payer_ref,
            "expires_at": new.expires_at.isoformat(),
            "return_url": new.return_url,
            "terminal": new.terminal,
            "options": seal_options(new.options),
            "metadata": dict(new.metadata),
        },
    )


def _fail_short_payment(payment: PaymentOrder, details: list[PaymentDetail], cause: Cause) -> None:
    """The payer has too little: nothing was taken, nobody was asked, and the try is over."""
    end_untaken_details(details=details, cause=cause)
    apply_move(payment, "mark_failed", cause=cause, failure_code=INSUFFICIENT_BALANCE)
    payment_owner().payment_failed(
        order_no=payment.order_no,
        payment_no=payment.payment_no,
        failure_code=INSUFFICIENT_BALANCE,
        counts_as_try=True,
        cause=cause,
    )
    after_commit(metrics.PAYMENT_OUTCOMES.labels("FAILED", INSUFFICIENT_BALANCE).inc)


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
        method=detail.method,
        amount=detail.amount,
        currency=detail.currency,
        next_query_at=query_at,
    )
