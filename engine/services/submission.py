"""Send an attempt to its channel. The claim is committed before the first byte; nobody ever sends it twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from engine.channels.base import AttemptReference, ChannelAnswer, Outcome, PayRequest
from engine.channels.registry import get_channel
from engine.contracts import Cause, PaymentProgress
from engine.models import ChannelAttempt, PaymentOrder
from engine.selectors import find_live_attempt, get_payment_progress
from engine.services.answers import Applied
from engine.services.call_slots import take_call_slot
from engine.services.calls import MadeCall, Operation, make_call
from engine.services.outcomes import PAYMENT_CLOSED, QUERY_TASK, apply_attempt_outcome
from engine.services.saved_cards import name_card_owner, open_options
from paymentplatform.kernel import jobs, transactions
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.failpoints import failpoint

EXPIRES_EARLIER = timedelta(seconds=10)
"""The channel stops taking money this much before our own deadline, so that the two rarely cross."""

_NOT_SENT_ANY_MORE = ChannelAnswer(
    outcome=Outcome.FAILED, failure_code=PAYMENT_CLOSED, raw="certainly not sent: by us"
)
"""Our own word, for good and for every channel; no answer of this one, whose breaker must not count it."""


@transactions.forbid
def submit_payment(*, payment_no: str) -> PaymentProgress:
    """Submit the payment's attempt, failing over while the funnel allows it, and tell how it stands (forbid).

    When every channel slot of this process is taken the attempt is left to a worker and the answer is PAYING.
    """
    with take_call_slot() as is_free:
        if not is_free:
            _leave_to_worker(payment_no)
            return get_payment_progress(payment_no=payment_no)
        attempt = find_live_attempt(payment_no=payment_no)
        attempt_no = attempt.attempt_no if attempt else None
        while attempt_no is not None:
            applied = submit_attempt(attempt_no=attempt_no)
            attempt_no = applied.failover_attempt_no if applied else None
    return get_payment_progress(payment_no=payment_no)


@transactions.forbid
def submit_attempt(*, attempt_no: str) -> Applied | None:
    """Claim one unsent attempt, call the channel, apply its answer (forbid). None when it is not ours to send."""
    claimed = ChannelAttempt.objects.filter(
        attempt_no=attempt_no, submit_claimed_at__isnull=True, live_detail_no__isnull=False
    ).update(submit_claimed_at=PlatformNow())
    if not claimed:
        return None
    attempt = ChannelAttempt.objects.get(attempt_no=attempt_no)
    failpoint("attempt_claimed", attempt.order_no)
    payment = PaymentOrder.objects.get(payment_no=attempt.payment_no)
    over = _find_end(attempt, payment)
    answer, calls = _call_pay(attempt, payment) if over is None else (_NOT_SENT_ANY_MORE, ())
    failpoint("payment_answered", attempt.order_no)
    applied = apply_attempt_outcome(
        attempt_no=attempt_no, answer=answer, cause=over or Cause.SYNC_ANSWER, calls=calls
    )
    if applied.failover_attempt_no is not None:
        failpoint("failover_committed", attempt.order_no)
    return applied


def _find_end(attempt: ChannelAttempt, payment: PaymentOrder) -> Cause | None:
    """Say why a claimed attempt must not be sent any more: the payment is being closed, or its order's time is over."""
    if payment.closing:
        return Cause.CLOSE
    assert attempt.submit_claimed_at is not None
    expires_at = datetime.fromisoformat(payment.context["expires_at"])
    return Cause.EXPIRY if attempt.submit_claimed_at >= expires_at else None


def _call_pay(
    attempt: ChannelAttempt, payment: PaymentOrder
) -> tuple[ChannelAnswer, tuple[MadeCall, ...]]:
    """Make the call and return its answer with it; an answer without one is our own word that none was made."""
    context = payment.context
    options = open_options(context["options"])
    if options is None:
        return ChannelAnswer(outcome=Outcome.NOT_SENT, failure_code="card_removed"), ()
    payer_ref = context.get("payer_ref")
    request = PayRequest(
        request_no=attempt.attempt_no,
        payment_no=payment.payment_no,
        order_no=payment.order_no,
        method=payment.method,
        amount=attempt.amount,
        currency=attempt.currency,
        subject=context["subject"],
        expires_at=datetime.fromisoformat(context["expires_at"]) - EXPIRES_EARLIER,
        notify_url=f"{settings.BASE_URL}/channels/{attempt.channel_code}/notify",
        return_url=context["return_url"],
        payee=context.get("payee", ""),
        card_owner=(
            name_card_owner(merchant_no=payment.merchant_no, payer_ref=payer_ref)
            if payer_ref is not None
            else None
        ),
        options=options,
        metadata=context["metadata"],
    )
    made = make_call(
        Operation.PAY,
        lambda: get_channel(attempt.channel_code).pay(request),
        object_no=attempt.attempt_no,
    )
    return made.answer, (made,)


def build_reference(attempt: ChannelAttempt, payment: PaymentOrder) -> AttemptReference:
    """Name an earlier request for query and close."""
    return AttemptReference(
        request_no=attempt.attempt_no,
        payment_no=attempt.payment_no,
        order_no=attempt.order_no,
        amount=attempt.amount,
        currency=attempt.currency,
        metadata=payment.context.get("metadata", {}),
    )


def _leave_to_worker(payment_no: str) -> None:
    with transaction.atomic():
        ChannelAttempt.objects.filter(
            payment_no=payment_no, live_detail_no__isnull=False, submit_claimed_at__isnull=True
        ).update(next_query_at=PlatformNow())
        jobs.ring(QUERY_TASK)
