"""The funnel of refunds: the ONE way in which any answer about a refund changes anything.

Most answers are plain successes, each taken in one call of the database (``plain_refunds``); all else is folded here,
row by row. Locks: owner, payment, details, refund (or late money), then the ledger's accounts. Whoever comes second
finds a terminal refund and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.conf import settings

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.models import PaymentDetail, Refund
from engine.ports import payment_owner
from engine.selectors import get_refund, lock_details, lock_payment
from engine.services.answers import Applied, keep_refund_answer, note_refund_commit
from engine.services.calls import MadeCall, describe_calls, lock_refund_keeping
from engine.services.cases import REFUND_AMOUNT_MISMATCH, open_case, resolve_cases
from engine.services.late_money import end_late_money_refund
from engine.services.moves import apply_move
from engine.services.plain_refunds import take_refund_success
from ledger import api as ledger
from ledger.contracts import AccountKind, JournalDraft
from paymentplatform.kernel import metrics, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.transactions import after_commit

REFUND_TASK = "engine.repeat_due_refunds"
_OWN_CALLS = frozenset({Cause.SYNC_ANSWER, Cause.INQUIRY})
_SPENT = "refund_schedule_spent"

_log = structlog.get_logger(__name__)


@transactions.forbid
def apply_refund_outcome(
    *,
    refund_no: str,
    answer: ChannelAnswer,
    cause: Cause,
    lease_token: str | None = None,
    calls: Sequence[MadeCall] = (),
) -> Applied:
    """Bring one verified answer to refund, details, order or late money, and ledger, in its own transaction (forbid).

    Only SUCCEEDED over the very amount and only a definite FAILED end it; all else waits and is repeated with the
    same number. ``lease_token`` is that of the worker who asked: without a definite answer, one whose lease has
    passed to somebody else changes nothing. ``calls`` are ours that led to the answer, which was the last one's: they
    are kept in any case, but for a single one that a plain success keeps as its own answer. Safe to call any number
    of times. Raises NotFound.
    """
    kept = calls if len(calls) > 1 else ()
    if take_refund_success(refund_no=refund_no, answer=answer, cause=cause, calls=kept) is not None:
        return Applied("refunded")
    return fold_refund_answer(
        refund_no=refund_no, answer=answer, cause=cause, lease_token=lease_token, calls=calls
    )


@transactions.start
def fold_refund_answer(
    *,
    refund_no: str,
    answer: ChannelAnswer,
    cause: Cause,
    lease_token: str | None = None,
    calls: Sequence[MadeCall] = (),
) -> Applied:
    """Do what ``apply_refund_outcome`` does, for whatever the answer is, row by row (start)."""
    kept = describe_calls(calls, cause=cause)
    seen = get_refund(refund_no=refund_no)
    after_commit(lambda: note_refund_commit(seen.order_no))
    payment_owner().lock_owner(order_no=seen.order_no)
    lock_payment(payment_no=seen.payment_no)
    details = lock_details(payment_no=seen.payment_no)
    refund = lock_refund_keeping(seen, kept)
    if refund.status != "PROCESSING":
        return _apply_after_end(refund, answer)
    applied = _fold(refund, details, answer, cause, lease_token)
    failpoint("refund_outcome_before_commit", seen.order_no)
    return applied


def _fold(
    refund: Refund,
    details: list[PaymentDetail],
    answer: ChannelAnswer,
    cause: Cause,
    lease_token: str | None,
) -> Applied:
    if answer.outcome == Outcome.SUCCEEDED:
        if (answer.amount, answer.currency) == (refund.external_amount, refund.currency):
            _note(refund, answer)
            end_refund(refund=refund, details=details, succeeded=True, cause=cause)
            return Applied("refunded")
        said = f"said {answer.amount} {answer.currency}, ours {refund.external_amount} {refund.currency}"
        open_case(kind=REFUND_AMOUNT_MISMATCH, object_no=refund.refund_no, detail=said)
        _keep_trying(refund, answer, cause, lease_token)
        return Applied("quarantined")
    if answer.outcome == Outcome.FAILED:
        _note(refund, answer)
        end_refund(
            refund=refund,
            details=details,
            succeeded=False,
            cause=cause,
            failure_code=answer.failure_code or "refund_refused",
        )
        return Applied("failed")
    return _keep_trying(refund, answer, cause, lease_token)


@transactions.require
def end_refund(
    *,
    refund: Refund,
    details: list[PaymentDetail],
    succeeded: bool,
    cause: Cause,
    failure_code: str = "",
) -> None:
    """End a locked refund: move it, its counters, its owner or late money, and the money (require).

    ``details`` are all details of its payment, locked.
    """
    if succeeded:
        apply_move(refund, "mark_succeeded", cause=cause, succeeded_at=database_now())
    else:
        apply_move(
            refund,
            "mark_failed",
            cause=cause,
            failure_code=failure_code,
            failed_at=database_now(),
        )
    ended = (_SPENT, REFUND_AMOUNT_MISMATCH)
    resolve_cases(object_no=refund.refund_no, kinds=ended, cause=cause)
    if refund.purpose == Refund.Purpose.ORDER:
        _count_details(refund, details, succeeded=succeeded)
        payment_owner().refund_ended(
            order_no=refund.order_no,
            refund_no=refund.refund_no,
            amount=refund.amount,
            succeeded=succeeded,
            cause=cause,
        )
    else:
        end_late_money_refund(refund=refund, succeeded=succeeded, cause=cause)
    ledger.post_journal(draft=_done(refund) if succeeded else _undone(refund))
    after_commit(metrics.REFUND_OUTCOMES.labels(refund.purpose, refund.status).inc)


def build_refund_legs(refund: Refund) -> tuple[ledger.ChannelLeg | ledger.BalanceLeg, ...]:
    """Say where the parts of a refund go: the external one first."""
    legs: list[ledger.ChannelLeg | ledger.BalanceLeg] = []
    if refund.external_amount:
        legs.append(ledger.ChannelLeg(str(refund.channel_code), refund.external_amount))
    if refund.balance_amount:
        legs.append(ledger.BalanceLeg(str(refund.payer_no), refund.balance_amount))
    return tuple(legs)


def _count_details(refund: Refund, details: list[PaymentDetail], *, succeeded: bool) -> None:
    for detail in details:
        part = refund.balance_amount if detail.channel_code is None else refund.external_amount
        if part and detail.status == "DONE":
            detail.refunding_amount -= part
            detail.refunded_amount += part if succeeded else 0
            detail.save(update_fields=["refunding_amount", "refunded_amount"])


def _done(refund: Refund) -> JournalDraft:
    return ledger.build_refund_done(
        refund_no=refund.refund_no, legs=build_refund_legs(refund), currency=refund.currency
    )


def _undone(refund: Refund) -> JournalDraft:
    if refund.purpose == Refund.Purpose.LATE_MONEY:
        return ledger.build_late_money_refund_failed(
            refund_no=refund.refund_no,
            channel_code=str(refund.channel_code),
            currency=refund.currency,
            amount=refund.amount,
        )
    return ledger.build_refund_failed(
        refund_no=refund.refund_no,
        merchant_no=refund.merchant_no,
        source=AccountKind(refund.source),
        legs=build_refund_legs(refund),
        currency=refund.currency,
        returned_fee=refund.returned_fee,
    )


def _apply_after_end(refund: Refund, answer: ChannelAnswer) -> Applied:
    """A terminal refund never changes; a channel that contradicts it is for people."""
    agreeing = {"SUCCESS": Outcome.SUCCEEDED, "FAILED": Outcome.FAILED}
    if answer.outcome not in agreeing.values():
        return Applied("ignored")
    if answer.outcome == agreeing[refund.status]:
        return Applied("repeated")
    said = f"is {refund.status}, the channel now says {answer.outcome}"
    open_case(kind="refund_contradicted", object_no=refund.refund_no, detail=said)
    return Applied("ignored")


def _keep_trying(
    refund: Refund, answer: ChannelAnswer, cause: Cause, lease_token: str | None
) -> Applied:
    """No definite answer: remember it and when to try again, with the same number, for ever."""
    if lease_token is not None and refund.lease_token != lease_token:
        _log.warning("refund_lease_lost", refund_no=refund.refund_no)
        return Applied("ignored")
    _note(refund, answer)
    if cause in _OWN_CALLS:
        step, last = refund.try_count, len(settings.INQUIRY_SCHEDULE_S) - 1
        refund.try_count += 1
        if step == last:
            open_case(
                kind=_SPENT,
                object_no=refund.refund_no,
                detail=f"no certain answer after {refund.try_count} tries; it is repeated for ever",
            )
        wait_s = settings.INQUIRY_SCHEDULE_S[min(step, last)]
        refund.next_try_at = database_now() + timedelta(seconds=wait_s)
        refund.lease_token = refund.leased_until = None
    refund.save(update_fields=["try_count", "next_try_at", "lease_token", "leased_until"])
    return Applied("waiting")


def _note(refund: Refund, answer: ChannelAnswer) -> None:
    """Keep what was last heard, for people."""
    refund.last_outcome = answer.outcome
    refund.last_outcome_at = database_now()
    refund.last_answer = keep_refund_answer(answer)
    refund.save(update_fields=["last_outcome", "last_outcome_at", "last_answer"])
