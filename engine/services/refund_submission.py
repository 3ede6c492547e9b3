"""Send refunds to their channels, now or from the janitor, always under the same number.

A channel promises that a repeated number never refunds twice; so whoever is in doubt asks first and, when the
channel knows nothing, simply sends it again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import connection, connections, transaction

from engine.channels.base import ChannelAnswer, Outcome, RefundRequest
from engine.channels.registry import find_channel
from engine.contracts import Cause, RefundProgress
from engine.models import ChannelAttempt, PaymentOrder, Refund
from engine.selectors import get_refund, get_refund_progress
from engine.services.answers import Applied
from engine.services.call_slots import take_call_slot
from engine.services.refund_outcomes import REFUND_TASK, apply_refund_outcome
from engine.services.submission import build_reference
from paymentplatform.kernel import jobs, metrics, numbers, transactions
from paymentplatform.kernel.failpoints import failpoint

LEASE_S = 45
PARALLEL_CALLS = 8
BATCH = 24
"""Three rounds of PARALLEL_CALLS: even a silent channel (5 s a query, 8 s a refund) ends within the lease."""


_log = structlog.get_logger(__name__)

_CLAIM_DUE = """
    WITH due AS MATERIALIZED (
        SELECT refund_no, next_try_at,
            row_number() OVER (PARTITION BY channel_code ORDER BY next_try_at) AS place
        FROM engine_refund
        WHERE next_try_at <= platform_now() AND (leased_until IS NULL OR leased_until < platform_now())
    )
    UPDATE engine_refund
    SET lease_token = %s, leased_until = platform_now() + make_interval(secs => %s)
    WHERE refund_no IN (
        SELECT refund_no FROM engine_refund
        WHERE refund_no = ANY (ARRAY(SELECT refund_no FROM due ORDER BY place, next_try_at LIMIT %s))
          AND next_try_at <= platform_now() AND (leased_until IS NULL OR leased_until < platform_now())
        FOR UPDATE SKIP LOCKED)
    RETURNING refund_no
"""
"""By turns from each channel, its longest due first: a silent one with very many keeps nobody else waiting."""

_CLAIM_ONE = """
    UPDATE engine_refund
    SET lease_token = %s, leased_until = platform_now() + make_interval(secs => %s)
    WHERE refund_no = %s AND next_try_at IS NOT NULL
      AND (leased_until IS NULL OR leased_until < platform_now())
"""

_BRING_FORWARD = """
    UPDATE engine_refund SET next_try_at = platform_now()
    WHERE refund_no = %s AND next_try_at > platform_now() AND lease_token IS NULL
"""


@transactions.forbid
def submit_refund(*, refund_no: str) -> RefundProgress:
    """Send an accepted refund to its channel and tell how it stands (forbid).

    When every channel slot of this process is taken, or another worker has it, it stays PROCESSING for the janitor.
    """
    with take_call_slot() as is_free:
        if not is_free:
            _leave_to_worker(refund_no)
        elif lease := _claim(refund_no):
            refund = get_refund(refund_no=refund_no)
            answer = _call(refund, "refund")
            apply_refund_outcome(
                refund_no=refund_no, answer=answer, cause=Cause.SYNC_ANSWER, lease_token=lease
            )
    return get_refund_progress(refund_no=refund_no)


@transactions.forbid
def repeat_due_refunds(*, batch_size: int = BATCH) -> int:
    """Ask about every due refund, send again what its channel does not know; return how many were due (forbid)."""
    lease = numbers.new_number("lease")
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_DUE, [lease, LEASE_S, batch_size])
        due = [refund_no for (refund_no,) in cursor.fetchall()]
    if due:
        failpoint("refunds_claimed")
        with ThreadPoolExecutor(max_workers=min(PARALLEL_CALLS, len(due))) as pool:
            list(pool.map(lambda refund_no: _handle_due(refund_no, lease), due))
    metrics.SWEPT_ROWS.labels(REFUND_TASK).inc(len(due))
    return len(due)


@transactions.forbid
def repeat_refund(*, refund_no: str, lease_token: str | None = None) -> Applied:
    """Ask the channel what became of a refund, send it again when it knows nothing, apply the answer (forbid)."""
    refund = get_refund(refund_no=refund_no)
    if refund.status != "PROCESSING":
        return Applied("ignored")
    answer = _call(refund, "query_refund")
    if answer.outcome == Outcome.NOT_FOUND:
        answer = _call(refund, "refund")
    return apply_refund_outcome(
        refund_no=refund_no, answer=answer, cause=Cause.INQUIRY, lease_token=lease_token
    )


def _handle_due(refund_no: str, lease: str) -> None:
    """Handle one refund in a pool thread; a failure leaves the row due again when its lease ends."""
    try:
        repeat_refund(refund_no=refund_no, lease_token=lease)
    except Exception:  # noqa: BLE001 - one bad refund must not stop the janitor
        _log.exception("refund_repeat_failed", refund_no=refund_no)
    finally:
        connections.close_all()


def _claim(refund_no: str) -> str | None:
    """Lease one refund; None when it has ended or somebody else is at it."""
    lease = numbers.new_number("lease")
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_ONE, [lease, LEASE_S, refund_no])
        return lease if cursor.rowcount else None


def _leave_to_worker(refund_no: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_BRING_FORWARD, [refund_no])
        jobs.ring(REFUND_TASK)


def _call(refund: Refund, operation: str) -> ChannelAnswer:
    channel = find_channel(str(refund.channel_code))
    if channel is None:
        _log.error("refund_channel_gone", refund_no=refund.refund_no, channel=refund.channel_code)
        return ChannelAnswer(outcome=Outcome.UNKNOWN)
    method: Callable[[RefundRequest], ChannelAnswer] = getattr(channel, operation)
    failpoint("refund_claimed", refund.order_no)
    try:
        answer = method(_build_request(refund))
    except Exception:  # noqa: BLE001 - a bug in an adapter is no answer
        _log.exception("adapter_raised", refund_no=refund.refund_no)
        answer = ChannelAnswer(outcome=Outcome.UNKNOWN)
    failpoint("refund_answered", refund.order_no)
    return answer


def _build_request(refund: Refund) -> RefundRequest:
    charge = ChannelAttempt.objects.get(attempt_no=refund.attempt_no)
    payment = PaymentOrder.objects.get(payment_no=refund.payment_no)
    return RefundRequest(
        refund_no=refund.refund_no,
        attempt=build_reference(charge, payment),
        channel_trade_no=str(refund.channel_trade_no),
        amount=refund.external_amount,
        currency=refund.currency,
        reason=refund.reason,
    )
