"""Send refunds to their channels, now or from the janitor, always under the same number.

A channel promises that a repeated number never refunds twice; so whoever is in doubt asks first and, when the
channel knows nothing, simply sends it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import msgspec
import structlog
from django.db import connection, connections, transaction

from engine.channels.base import ChannelAnswer, Outcome, RefundRequest
from engine.channels.registry import find_channel
from engine.contracts import Cause
from engine.models import ChannelAttempt, PaymentOrder, Refund
from engine.selectors import get_refund
from engine.services.answers import Applied
from engine.services.call_slots import take_call_slot
from engine.services.calls import MadeCall, Operation, make_call
from engine.services.refund_outcomes import REFUND_TASK, apply_refund_outcome
from engine.services.submission import build_reference
from paymentplatform.kernel import jobs, metrics, numbers, transactions
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.hotsql import HotStatement

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

_CLAIM_ONE: Final = HotStatement(
    name="claim_refund",
    sql="""
    UPDATE engine_refund AS r
    SET lease_token = $1::text, leased_until = platform_now() + make_interval(secs => $2::integer)
    FROM engine_channel_attempt AS a, engine_payment_order AS p
    WHERE r.refund_no = $3::text AND r.next_try_at IS NOT NULL
      AND (r.leased_until IS NULL OR r.leased_until < platform_now())
      AND a.attempt_no = r.attempt_no AND p.payment_no = r.payment_no
    RETURNING json_build_object('channel_code', r.channel_code, 'request', json_build_object(
        'refund_no', r.refund_no, 'channel_trade_no', r.channel_trade_no, 'amount', r.external_amount,
        'currency', r.currency, 'reason', r.reason, 'attempt', json_build_object(
            'request_no', a.attempt_no, 'payment_no', a.payment_no, 'order_no', a.order_no, 'amount', a.amount,
            'currency', a.currency, 'metadata', coalesce(p.context -> 'metadata', '{}'))))
    """,
)
"""With all that its channel has to be told (``_Sending``)."""

_BRING_FORWARD = """
    UPDATE engine_refund SET next_try_at = platform_now()
    WHERE refund_no = %s AND next_try_at > platform_now() AND lease_token IS NULL
"""


class _Sending(msgspec.Struct, frozen=True):
    """A refund as its channel is told of it."""

    channel_code: str
    request: RefundRequest


@transactions.forbid
def submit_refund(*, refund_no: str) -> None:
    """Send an accepted refund to its channel and apply what that says (forbid).

    When every channel slot of this process is taken, or another worker has it, it stays PROCESSING for the janitor.
    """
    with take_call_slot() as is_free:
        if not is_free:
            _leave_to_worker(refund_no)
            return
        lease = numbers.new_number("lease")
        sending = _claim(refund_no, lease)
        if sending is not None:
            sent = [_call(sending, Operation.REFUND)]
            _apply(sent, refund_no=refund_no, cause=Cause.SYNC_ANSWER, lease_token=lease)


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
    sending = _read_sending(refund)
    asked = [_call(sending, Operation.QUERY_REFUND)]
    if _read(asked[-1]).outcome == Outcome.NOT_FOUND:
        asked.append(_call(sending, Operation.REFUND))
    return _apply(asked, refund_no=refund_no, cause=Cause.INQUIRY, lease_token=lease_token)


def _handle_due(refund_no: str, lease: str) -> None:
    """Handle one refund in a pool thread; a failure leaves the row due again when its lease ends."""
    try:
        repeat_refund(refund_no=refund_no, lease_token=lease)
    except Exception:  # noqa: BLE001 - one bad refund must not stop the janitor
        _log.exception("refund_repeat_failed", refund_no=refund_no)
    finally:
        connections.close_all()


def _claim(refund_no: str, lease: str) -> _Sending | None:
    """Lease one refund and return it; None when it has ended or somebody else is at it."""
    rows = _CLAIM_ONE.execute([lease, LEASE_S, refund_no])
    return msgspec.json.decode(rows[0][0] or b"", type=_Sending) if rows else None


def _leave_to_worker(refund_no: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_BRING_FORWARD, [refund_no])
        jobs.ring(REFUND_TASK)


def _call(sending: _Sending, operation: Operation) -> MadeCall | None:
    """Make one call; None when there is no such channel any more."""
    code, request = sending.channel_code, sending.request
    channel = find_channel(code)
    if channel is None:
        _log.error("refund_channel_gone", refund_no=request.refund_no, channel=code)
        return None
    method: Callable[[RefundRequest], ChannelAnswer] = getattr(channel, operation)
    failpoint("refund_claimed", request.attempt.order_no)
    call = make_call(operation, partial(method, request), object_no=request.refund_no)
    failpoint("refund_answered", request.attempt.order_no)
    return call


def _read(call: MadeCall | None) -> ChannelAnswer:
    return call.answer if call is not None else ChannelAnswer(outcome=Outcome.UNKNOWN)


def _apply(
    calls: Sequence[MadeCall | None], *, refund_no: str, cause: Cause, lease_token: str | None
) -> Applied:
    return apply_refund_outcome(
        refund_no=refund_no,
        answer=_read(calls[-1]),
        cause=cause,
        lease_token=lease_token,
        calls=[call for call in calls if call is not None],
    )


def _read_sending(refund: Refund) -> _Sending:
    charge = ChannelAttempt.objects.get(attempt_no=refund.attempt_no)
    payment = PaymentOrder.objects.get(payment_no=refund.payment_no)
    request = RefundRequest(
        refund_no=refund.refund_no,
        attempt=build_reference(charge, payment),
        channel_trade_no=str(refund.channel_trade_no),
        amount=refund.external_amount,
        currency=refund.currency,
        reason=refund.reason,
    )
    return _Sending(str(refund.channel_code), request)
