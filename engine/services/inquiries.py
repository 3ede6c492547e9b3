"""The inquiry janitor: whoever crashed, whatever got lost, the channel is asked until it gives a definite answer.

A CREATED attempt that nobody claimed was certainly never sent and is submitted; every other one is only asked
about and, when that leads nowhere, closed. Nothing is ever submitted twice or failed by the clock.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import connection, connections

from engine.channels.base import Capability, Outcome
from engine.channels.registry import get_channel
from engine.contracts import Cause, PaymentProgress
from engine.models import PaymentOrder
from engine.selectors import (
    find_latest_payment_no,
    find_live_attempt,
    get_attempt,
    get_payment_progress,
)
from engine.services.answers import Applied
from engine.services.calls import Operation, make_call
from engine.services.outcomes import QUERY_TASK, apply_attempt_outcome
from engine.services.submission import build_reference, submit_attempt
from paymentplatform.kernel import jobs, metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from paymentplatform.kernel.failpoints import failpoint

LEASE_S = 45
"""Whoever dies at work is replaced after this long: with the tick of the clock and the work itself, within a minute."""

PARALLEL_CALLS = 8
BATCH = 24
"""Three rounds of PARALLEL_CALLS: even a silent channel (5 s a query, 8 s a close) ends within the lease."""

FORWARD_EVERY_S = 5

_log = structlog.get_logger(__name__)

_CLAIM_DUE = """
    WITH due AS MATERIALIZED (
        SELECT attempt_no, next_query_at,
            row_number() OVER (PARTITION BY channel_code ORDER BY next_query_at) AS place
        FROM engine_channel_attempt
        WHERE next_query_at <= platform_now() AND (leased_until IS NULL OR leased_until < platform_now())
    )
    UPDATE engine_channel_attempt
    SET lease_token = %s, leased_until = platform_now() + make_interval(secs => %s)
    WHERE attempt_no IN (
        SELECT attempt_no FROM engine_channel_attempt
        WHERE attempt_no = ANY (ARRAY(SELECT attempt_no FROM due ORDER BY place, next_query_at LIMIT %s))
          AND next_query_at <= platform_now() AND (leased_until IS NULL OR leased_until < platform_now())
        FOR UPDATE SKIP LOCKED)
    RETURNING attempt_no
"""
"""By turns from each channel, its longest due first: a silent one with very many keeps nobody else waiting."""


@transactions.forbid
def query_due_attempts(*, batch_size: int = BATCH) -> int:
    """Ask about every due attempt, a few at a time, and return how many were handled (forbid)."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_DUE, [numbers.new_number("lease"), LEASE_S, batch_size])
        due = [attempt_no for (attempt_no,) in cursor.fetchall()]
    if due:
        failpoint("inquiries_claimed")
        with ThreadPoolExecutor(max_workers=min(PARALLEL_CALLS, len(due))) as pool:
            list(pool.map(_handle_due, due))
    metrics.SWEPT_ROWS.labels(QUERY_TASK).inc(len(due))
    return len(due)


def _handle_due(attempt_no: str) -> None:
    """Handle one attempt in a pool thread; a failure leaves the row due again when its lease ends."""
    try:
        attempt = get_attempt(attempt_no=attempt_no)
        if attempt.submit_claimed_at is None:
            unsent: str | None = attempt_no
            while unsent is not None:
                applied = submit_attempt(attempt_no=unsent)
                unsent = applied.failover_attempt_no if applied else None
        else:
            query_attempt(attempt_no=attempt_no)
    except Exception:  # noqa: BLE001 - one bad attempt must not stop the janitor
        _log.exception("inquiry_failed", attempt_no=attempt_no)
    finally:
        connections.close_all()


@transactions.forbid
def query_payment(*, payment_no: str) -> PaymentProgress:
    """Ask the channel of a payment's live attempt now, apply its answer and tell how it stands (forbid).

    An ended payment is only looked at. Raises NotFound.
    """
    progress = get_payment_progress(payment_no=payment_no)
    attempt = find_live_attempt(payment_no=payment_no)
    if attempt is None:
        return progress
    query_attempt(attempt_no=attempt.attempt_no)
    return get_payment_progress(payment_no=payment_no)


@transactions.forbid
def query_payment_or_order(*, number: str) -> PaymentProgress:
    """The same for what an operator has at hand: ``pay_…``, or ``ord_…`` for its live or latest payment (forbid).

    Raises InvalidRequest for any other kind of number, NotFound.
    """
    return query_payment(payment_no=_find_payment_no(number))


def preview_query(*, number: str) -> tuple[PaymentProgress, str | None]:
    """Tell how that payment stands, and which channel would be asked (None: it has ended); asks nobody, writes nothing.

    Raises as ``query_payment_or_order``.
    """
    payment_no = _find_payment_no(number)
    attempt = find_live_attempt(payment_no=payment_no)
    channel_code = attempt.channel_code if attempt is not None else None
    return get_payment_progress(payment_no=payment_no), channel_code


def _find_payment_no(number: str) -> str:
    if numbers.is_number(number, numbers.ORDER):
        payment_no = find_latest_payment_no(order_no=number)
        if payment_no is None:
            raise NotFound(f"There is no payment of an order {number}.")
        return payment_no
    if not numbers.is_number(number, numbers.PAYMENT):
        raise InvalidRequest(
            f"{number} is neither a payment's number (pay_…) nor an order's (ord_…)."
        )
    if not PaymentOrder.objects.filter(payment_no=number).exists():
        raise NotFound(f"There is no payment {number}.")
    return number


@transactions.forbid
def query_attempt(*, attempt_no: str, cause: Cause = Cause.INQUIRY) -> Applied:
    """Ask the channel what became of an attempt and apply the answer; close it when that is due (forbid).

    NOT_FOUND becomes final only NOT_FOUND_GRACE_S after the attempt was made and by an accepted close.
    """
    attempt = get_attempt(attempt_no=attempt_no)
    if attempt.is_terminal:
        return Applied("ignored")
    payment = PaymentOrder.objects.get(payment_no=attempt.payment_no)
    channel = get_channel(attempt.channel_code)
    reference = build_reference(attempt, payment)
    calls = [make_call(Operation.QUERY, partial(channel.query, reference), object_no=attempt_no)]
    failpoint("inquiry_answered", attempt.order_no)
    outcome = calls[-1].answer.outcome
    grace_over = database_now() >= attempt.created_at + timedelta(
        seconds=settings.NOT_FOUND_GRACE_S
    )
    wants_close = (outcome == Outcome.NOT_FOUND and grace_over) or (
        payment.closing and outcome == Outcome.PENDING
    )
    if wants_close and Capability.CLOSE in channel.capabilities:
        close = partial(channel.close, reference)
        calls.append(make_call(Operation.CLOSE, close, object_no=attempt_no))
        failpoint("close_answered", attempt.order_no)
    return apply_attempt_outcome(
        attempt_no=attempt_no, answer=calls[-1].answer, cause=cause, calls=calls
    )


def bring_inquiry_forward(*, payment_no: str) -> None:
    """Let the janitor ask now, because somebody is looking; at most every 5 s. Calls no channel itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE engine_channel_attempt
               SET next_query_at = platform_now(), forwarded_at = platform_now()
               WHERE payment_no = %s AND live_detail_no IS NOT NULL AND next_query_at > platform_now()
                 AND coalesce(forwarded_at, created_at) < platform_now() - make_interval(secs => %s)""",
            [payment_no, FORWARD_EVERY_S],
        )
        if cursor.rowcount:
            jobs.ring(QUERY_TASK)
