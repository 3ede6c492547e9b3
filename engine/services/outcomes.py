"""The funnel: the ONE way in which any answer about an attempt changes anything.

Sync answer, callback, inquiry, close, statement line and operator all end here. Most answers are plain successes, each
taken in one call of the database (``plain_successes``); all else is folded here, row by row. Locks: owner, payment,
details, attempt, then the ledger's accounts. Whoever comes second finds a terminal attempt and changes nothing. What
the payer's balance holds for the payment is captured or given back in the very transaction that ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import connection

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause, LateMoneyReason
from engine.health import find_open_channel
from engine.models import ChannelAttempt, LateMoney, PaymentDetail, PaymentOrder
from engine.ports import OwnerState, payment_owner
from engine.selectors import get_attempt, lock_details, lock_payment
from engine.services.acceptance import create_attempt
from engine.services.answers import Applied, is_readable, keep_answer, note_commit
from engine.services.calls import MadeCall, describe_calls, lock_attempt_keeping
from engine.services.cases import AMOUNT_MISMATCH, open_case, resolve_cases
from engine.services.holds import build_legs, end_untaken_details
from engine.services.late_money import record_late_money
from engine.services.moves import LAST_HEARD, apply_move
from engine.services.plain_successes import take_plain_success
from engine.services.saved_cards import save_card
from ledger import api as ledger
from paymentplatform.kernel import jobs, metrics, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.redaction import redact_text
from paymentplatform.kernel.transactions import after_commit

QUERY_TASK = "engine.query_due_attempts"
PAYMENT_CLOSED = "payment_closed"
"""Failure code of a payment that was closed before anything was taken; it is no try of the payer."""
_ONLY_SUSPICION = frozenset({Cause.SYNC_ANSWER, Cause.CALLBACK, Cause.STATEMENT})
"""What an institution says unasked, or while it is still at work; every other cause asked it what became of it."""
SCHEDULE_SPENT = "inquiry_schedule_spent"
DUPLICATE_TRADE_NO = "duplicate_trade_no"
_AFTER_END = {
    "SUCCEEDED": LateMoneyReason.CHARGED_TWICE,
    "FAILED": LateMoneyReason.SUCCESS_AFTER_FAILURE,
    "CLOSED": LateMoneyReason.SUCCESS_AFTER_CLOSE,
}


@dataclass(slots=True)
class _Locked:
    owner: OwnerState
    payment: PaymentOrder
    details: list[PaymentDetail]
    attempt: ChannelAttempt

    @property
    def external(self) -> PaymentDetail:
        """The detail that the attempt is to collect; the others are held from the payer's balance."""
        return next(row for row in self.details if row.detail_no == self.attempt.detail_id)


@transactions.forbid
def apply_attempt_outcome(
    *, attempt_no: str, answer: ChannelAnswer, cause: Cause, calls: Sequence[MadeCall] = ()
) -> Applied:
    """Bring one verified answer to attempt, detail, payment, order and ledger, in its own transaction (forbid).

    Safe to call any number of times with the same or contradicting answers; raises NotFound for an attempt that
    does not exist. An unverified answer must come as UNKNOWN. ``calls`` are ours that led to the answer, which was
    the last one's; what a plain success keeps is its own answer, so that one after another call is folded.
    """
    if len(calls) <= 1:
        paid = take_plain_success(attempt_no=attempt_no, answer=answer, cause=cause)
        if paid is not None:
            return Applied("paid")
    return fold_answer(attempt_no=attempt_no, answer=answer, cause=cause, calls=calls)


@transactions.start
def fold_answer(
    *, attempt_no: str, answer: ChannelAnswer, cause: Cause, calls: Sequence[MadeCall] = ()
) -> Applied:
    """Do what ``apply_attempt_outcome`` does, for whatever the answer is, row by row (start)."""
    kept = describe_calls(calls, cause=cause)
    seen = get_attempt(attempt_no=attempt_no)
    after_commit(lambda: note_commit(seen.order_no))
    owner = payment_owner().lock_owner(order_no=seen.order_no)
    rows = _Locked(
        owner=owner,
        payment=lock_payment(payment_no=seen.payment_no),
        details=lock_details(payment_no=seen.payment_no),
        attempt=lock_attempt_keeping(seen, kept),
    )
    stood = rows.attempt.status
    ended_before = rows.attempt.is_terminal
    applied = _fold(rows, answer, cause)
    if rows.attempt.is_terminal and (rows.attempt.query_count or stood == "UNKNOWN"):
        # An amount that differed for a moment is settled by our own one; one that was confirmed ends as late money.
        is_as_agreed = rows.attempt.status == "SUCCEEDED" and not ended_before
        agreed = (AMOUNT_MISMATCH,) if is_as_agreed and applied.effect != "late_money" else ()
        resolve_cases(object_no=attempt_no, kinds=(SCHEDULE_SPENT, *agreed), cause=cause)
    failpoint("outcome_before_commit", seen.order_no)
    return applied


def _fold(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    if answer.outcome == Outcome.SUCCEEDED and not is_readable(answer):
        open_case(
            kind="unreadable_success",
            object_no=rows.attempt.attempt_no,
            detail=redact_text(answer.raw)[:500],
        )
        answer = replace(answer, outcome=Outcome.UNKNOWN)
    if rows.attempt.is_terminal:
        return _apply_after_end(rows, answer, cause)
    _remember(rows.attempt, answer, cause)
    if answer.outcome == Outcome.SUCCEEDED:
        return _apply_success(rows, answer, cause)
    if answer.outcome in {Outcome.FAILED, Outcome.NOT_SENT}:
        return _apply_decline(rows, answer, cause)
    if answer.outcome == Outcome.CLOSED:
        apply_move(rows.attempt, "mark_closed", cause=cause)
        return _fail_payment(
            rows, failure_code=PAYMENT_CLOSED, counts_as_try=False, cause=cause, effect="closed"
        )
    return _keep_waiting(rows, answer, cause)


def _remember(attempt: ChannelAttempt, answer: ChannelAnswer, cause: Cause) -> None:
    """Note for people what was heard last, from whom and when; saved with whatever the answer changes.

    An ended attempt never changes: what comes after its end is late money, which remembers itself.
    """
    attempt.last_outcome = answer.outcome
    if cause == Cause.SYNC_ANSWER and not attempt.submit_outcome:
        attempt.submit_outcome = answer.outcome
    attempt.last_outcome_cause = cause
    attempt.last_outcome_at = PlatformNow()
    attempt.last_answer = keep_answer(answer)


def _apply_after_end(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    """A terminal attempt never changes; money it brings all the same is late money."""
    attempt = rows.attempt
    if answer.outcome != Outcome.SUCCEEDED:
        return Applied("ignored")
    same_charge = attempt.status == "SUCCEEDED" and answer.channel_trade_no in {
        None,
        attempt.channel_trade_no,
    }
    if same_charge:
        return Applied("repeated")
    if _is_of_another_attempt(attempt, str(answer.channel_trade_no)):
        said = f"{answer.channel_trade_no} after its end"
        open_case(kind=DUPLICATE_TRADE_NO, object_no=attempt.attempt_no, detail=said)
        return Applied("quarantined")
    if answer.amount != attempt.amount or answer.currency != attempt.currency:
        said = f"said {answer.amount} {answer.currency} after its end"
        open_case(kind=AMOUNT_MISMATCH, object_no=attempt.attempt_no, detail=said)
    record_late_money(
        attempt=attempt,
        owner=rows.owner,
        answer=answer,
        reason=_AFTER_END[attempt.status],
        cause=cause,
    )
    return Applied("late_money")


def _is_of_another_attempt(attempt: ChannelAttempt, trade_no: str) -> bool:
    """Whether this charge paid, or came late for, another attempt: it is not booked and given back a second time.

    Two orders whose answers name the same charge at once share no row: the lock lets one of them see the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"charge {attempt.channel_code} {trade_no}"],
        )
    charge = {"channel_code": attempt.channel_code, "channel_trade_no": trade_no}
    return (
        ChannelAttempt.objects.filter(**charge, status="SUCCEEDED")
        .exclude(attempt_no=attempt.attempt_no)
        .exists()
        or LateMoney.objects.filter(**charge).exclude(attempt_no=attempt.attempt_no).exists()
    )


def _apply_success(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    attempt, payment = rows.attempt, rows.payment
    trade_no = str(answer.channel_trade_no)
    if _is_of_another_attempt(attempt, trade_no):
        open_case(kind=DUPLICATE_TRADE_NO, object_no=attempt.attempt_no, detail=trade_no)
        return _keep_waiting(rows, answer, cause)
    if (answer.amount, answer.currency) != (attempt.amount, attempt.currency):
        return _apply_mismatch(rows, answer, cause)
    apply_move(attempt, "mark_succeeded", cause=cause, channel_trade_no=trade_no)
    if answer.saved_card is not None:
        save_card(payment=payment, channel_code=attempt.channel_code, card=answer.saved_card)
    usable = (
        payment.status == "PAYING"
        and rows.owner.is_paying
        and rows.owner.payment_no == payment.payment_no
    )
    if not usable:
        record_late_money(
            attempt=attempt,
            owner=rows.owner,
            answer=answer,
            reason=LateMoneyReason.PAYMENT_ENDED,
            cause=cause,
        )
        return Applied("late_money")
    apply_move(rows.external, "mark_held", cause=cause)
    for detail in rows.details:
        apply_move(detail, "mark_done", cause=cause)
    apply_move(payment, "mark_paid", cause=cause, paid_at=database_now())
    payment_owner().payment_succeeded(
        order_no=payment.order_no, payment_no=payment.payment_no, cause=cause
    )
    ledger.post_journal(
        draft=ledger.build_payment_paid(
            payment_no=payment.payment_no,
            merchant_no=payment.merchant_no,
            currency=payment.currency,
            legs=build_legs(payment=payment, details=rows.details),
            fee=payment.fee_amount,
        )
    )
    after_commit(metrics.PAYMENT_OUTCOMES.labels("PAID", "").inc)
    return Applied("paid")


def _apply_mismatch(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    """Another amount or currency than ours: never partly PAID.

    A callback or sync answer only raises suspicion; the answer to a question of ours (inquiry, close, expiry, a
    change of method, an operator's) decides, and then the whole charge is late money.
    """
    attempt = rows.attempt
    said = f"said {answer.amount} {answer.currency}, ours {attempt.amount} {attempt.currency}"
    open_case(kind=AMOUNT_MISMATCH, object_no=attempt.attempt_no, detail=said)
    if cause in _ONLY_SUSPICION:
        attempt.next_query_at = database_now()
        attempt.lease_token = attempt.leased_until = None  # whoever submitted it has done his work
        if attempt.status != "UNKNOWN":
            apply_move(attempt, "mark_unknown", cause=cause)
        else:
            attempt.save(
                update_fields=["next_query_at", "lease_token", "leased_until", *LAST_HEARD]
            )
        jobs.ring(QUERY_TASK)
        return Applied("quarantined")
    trade_no = str(answer.channel_trade_no)
    apply_move(attempt, "mark_succeeded", cause=cause, channel_trade_no=trade_no)
    record_late_money(
        attempt=attempt,
        owner=rows.owner,
        answer=answer,
        reason=LateMoneyReason.AMOUNT_MISMATCH,
        cause=cause,
    )
    return _fail_payment(
        rows, failure_code="amount_mismatch", counts_as_try=True, cause=cause, effect="late_money"
    )


def _apply_decline(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    """A definite no. Only here, and only when it is retriable, may the next channel be tried."""
    attempt, payment = rows.attempt, rows.payment
    not_sent = answer.outcome == Outcome.NOT_SENT
    if not_sent and cause != Cause.SYNC_ANSWER:
        return _keep_waiting(rows, answer, cause)
    failure_code = answer.failure_code or ("not_sent" if not_sent else "declined")
    apply_move(attempt, "mark_failed", cause=cause, failure_code=failure_code)
    may_retry = (
        (not_sent or answer.retriable)
        and payment.status == "PAYING"
        and not payment.closing
        and rows.owner.is_paying
    )
    channel_code = (
        find_open_channel(payment.candidates, method=payment.method, currency=attempt.currency)
        if may_retry
        else None
    )
    if channel_code is not None:
        payment.candidates = [code for code in payment.candidates if code != channel_code]
        payment.save(update_fields=["candidates"])
        detail = rows.external
        detail.channel_code = channel_code
        detail.save(update_fields=["channel_code"])
        following = create_attempt(
            payment=payment, detail=detail, channel_code=channel_code, query_at=database_now()
        )
        jobs.ring(QUERY_TASK)
        return Applied("failed_over", following.attempt_no)
    return _fail_payment(
        rows,
        failure_code=failure_code,
        counts_as_try=failure_code != PAYMENT_CLOSED,
        cause=cause,
        effect="failed",
    )


def _fail_payment(
    rows: _Locked, *, failure_code: str, counts_as_try: bool, cause: Cause, effect: str
) -> Applied:
    payment = rows.payment
    if payment.status != "PAYING":
        return Applied(effect)
    end_untaken_details(details=rows.details, cause=cause)
    apply_move(payment, "mark_failed", cause=cause, failure_code=failure_code)
    payment_owner().payment_failed(
        order_no=payment.order_no,
        payment_no=payment.payment_no,
        failure_code=failure_code,
        counts_as_try=counts_as_try,
        cause=cause,
    )
    after_commit(metrics.PAYMENT_OUTCOMES.labels("FAILED", failure_code).inc)
    return Applied(effect)


def _keep_waiting(rows: _Locked, answer: ChannelAnswer, cause: Cause) -> Applied:
    """No definite answer: remember what is known and when to ask again. Never FAILED by the clock.

    Any answer ends a janitor's lease, also that to a submission which was left to a worker.
    """
    attempt = rows.attempt
    attempt.lease_token = attempt.leased_until = None
    if answer.action is not None:
        attempt.action = {
            name: value for name, value in asdict(answer.action).items() if value is not None
        }
    if cause == Cause.INQUIRY:
        attempt.query_count += 1
        if attempt.query_count == len(settings.INQUIRY_SCHEDULE_S) - 1:
            open_case(
                kind=SCHEDULE_SPENT,
                object_no=attempt.attempt_no,
                detail=f"still {attempt.status} after {attempt.query_count} inquiries",
            )
    step = min(attempt.query_count, len(settings.INQUIRY_SCHEDULE_S) - 1)
    attempt.next_query_at = database_now() + timedelta(seconds=settings.INQUIRY_SCHEDULE_S[step])
    attempt.save(
        update_fields=[
            "action",
            "query_count",
            "next_query_at",
            "lease_token",
            "leased_until",
            *LAST_HEARD,
        ]
    )
    target = "PENDING" if answer.outcome == Outcome.PENDING else "UNKNOWN"
    if attempt.status != target:
        apply_move(attempt, f"mark_{target.lower()}", cause=cause)
    return Applied(target.lower())
