"""Close and expiry as procedures: an order with a live payment ends only by a definite answer of the channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum, auto

import structlog
from django.conf import settings
from django.db import connection, connections

from acquiring.contracts import CloseReason, OrderAlreadyPaid, OrderFailed
from acquiring.selectors import lock_order
from acquiring.services.order_moves import DELIVERY_TASK, close_idle_order
from engine import api as engine
from paymentplatform.kernel import context, jobs, metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.sqlcalls import call_function

RETRY_CLOSE_S = 45
PARALLEL_CLOSES = 8
CLOSED_AT_ONCE = 24
"""Three rounds of PARALLEL_CLOSES: even a silent channel (5 s a query, 8 s a close) ends within RETRY_CLOSE_S."""

_log = structlog.get_logger(__name__)

_CLAIM_EXPIRED_PAYING = """
    UPDATE acquiring_trade_order
    SET closing = true, close_reason = coalesce(close_reason, 'EXPIRED'),
        due_at = platform_now() + make_interval(secs => %s)
    WHERE order_no IN (
        SELECT order_no FROM acquiring_trade_order
        WHERE due_at <= platform_now() AND status = 'PAYING'
        ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING payment_no
"""


class CloseResult(Enum):
    """How a close ended: CLOSED for certain, or still CLOSING (the procedure goes on by itself)."""

    CLOSED = auto()
    CLOSING = auto()


@transactions.forbid
def close_order(
    *, order_no: str, merchant_no: str | None, reason: CloseReason, cause: str
) -> CloseResult:
    """Close an unpaid order; with a live payment, inquire and close that first (forbid: may call a channel).

    ``merchant_no`` None is for operators and the clock. Repeating is harmless. Raises NotFound, OrderAlreadyPaid
    (also when it was paid while we asked) and OrderFailed.
    """
    payment_no = _begin_close(
        order_no=order_no, merchant_no=merchant_no, reason=reason, cause=cause
    )
    if payment_no is None:
        return CloseResult.CLOSED
    failpoint("order_marked_closing", order_no)
    engine.close_payment(payment_no=payment_no, cause=engine.Cause.CLOSE)
    return _end_close(order_no=order_no, reason=reason, cause=cause)


@transactions.start
def _begin_close(
    *, order_no: str, merchant_no: str | None, reason: CloseReason, cause: str
) -> str | None:
    """Close at once what has no live payment (None); else mark ``closing`` and name the live payment."""
    order = lock_order(order_no=order_no)
    if merchant_no is not None and order.merchant_no != merchant_no:
        raise NotFound
    if order.status == "SUCCESS":
        raise OrderAlreadyPaid
    if order.status == "FAILED":
        raise OrderFailed
    if order.status == "INIT":
        close_idle_order(order_no=order_no, reason=reason, cause=cause)
    if order.status != "PAYING":
        return None
    if not order.closing:
        order.closing, order.close_reason = True, reason
        # Should this process die before it has asked the channel, the sweep goes on from here.
        order.due_at = database_now() + timedelta(seconds=RETRY_CLOSE_S)
        order.save(update_fields=["closing", "close_reason", "due_at"])
    return order.payment_no


@transactions.start
def _end_close(*, order_no: str, reason: CloseReason, cause: str) -> CloseResult:
    """See how the payment's end has moved the order."""
    order = lock_order(order_no=order_no)
    if order.status == "SUCCESS":
        raise OrderAlreadyPaid
    if order.status == "FAILED":
        raise OrderFailed
    if order.status == "INIT":
        close_idle_order(order_no=order_no, reason=reason, cause=cause)
        return CloseResult.CLOSED
    return CloseResult.CLOSED if order.status == "CLOSED" else CloseResult.CLOSING


@transactions.forbid
def expire_due_orders(*, batch_size: int | None = None) -> int:
    """Close one batch of orders past their time and return how many were taken up (forbid).

    Unpaid ones go set by set in one statement; those with a live payment go through the close procedure and come
    again every RETRY_CLOSE_S until the channel has given a definite answer, CLOSED_AT_ONCE of them at most. Safe to run
    twice and at once.
    """
    size = batch_size or settings.SWEEP_BATCH
    closed = call_function(
        "acquiring_expire_idle_orders",
        size,
        [numbers.new_number(numbers.EVENT) for _ in range(size)],
        [numbers.new_number(numbers.DELIVERY) for _ in range(size)],
        settings.BASE_URL,
        context.request_id.get(),
    )
    if closed:
        jobs.ring_now(DELIVERY_TASK)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_EXPIRED_PAYING, [RETRY_CLOSE_S, min(size, CLOSED_AT_ONCE)])
        payments = [payment_no for (payment_no,) in cursor.fetchall()]
    if payments:
        failpoint("expiry_claimed")
        with ThreadPoolExecutor(max_workers=min(PARALLEL_CLOSES, len(payments))) as pool:
            list(pool.map(_close_expired_payment, payments))
    metrics.SWEPT_ROWS.labels("acquiring.expire_due_orders").inc(int(closed) + len(payments))
    return int(closed) + len(payments)


def _close_expired_payment(payment_no: str) -> None:
    """Run the procedure in a pool thread; a failure leaves the order due again."""
    try:
        engine.close_payment(payment_no=payment_no, cause=engine.Cause.EXPIRY)
    except Exception:  # noqa: BLE001 - one bad order must not stop the sweep
        _log.exception("expiry_close_failed", payment_no=payment_no)
    finally:
        connections.close_all()
