"""Circuit breakers 熔断器 and maintenance windows: who moves them, and when.

A breaker is fed by what its channel answered to the requests themselves (``submit_outcome``): a decline is a usable
answer, a silence is none. The clock's task looks and moves; whoever routes only reads the newest move, so that no
payment waits for another one's bookkeeping.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection

from engine.breaker import Limits, Sample, Standing, decide_breaker
from engine.channels import registry
from engine.channels.base import Capability
from engine.health import forget_health
from engine.health_contracts import BreakerState
from engine.models import BreakerMove, KnownChannel, MaintenanceWindow
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound

LONGEST_MAINTENANCE: Final = timedelta(days=30)
_SILENT_S: Final = 15
"""A request that was sent so long ago, and whose sender never told what came of it, has got no usable answer."""
_LAST_REQUESTS: Final = 200
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('engine breakers', 0))"
_SAMPLE: Final = """
    SELECT
        count(*) FILTER (WHERE submit_outcome IN ('SUCCEEDED', 'FAILED', 'PENDING', 'CLOSED', 'NOT_FOUND')),
        count(*) FILTER (WHERE submit_outcome IN ('UNKNOWN', 'NOT_SENT') OR (
            submit_outcome = '' AND live_detail_no IS NOT NULL
            AND submit_claimed_at < platform_now() - make_interval(secs => %s)))
    FROM (
        SELECT submit_outcome, live_detail_no, submit_claimed_at FROM engine_channel_attempt
        WHERE channel_code = %s AND method = %s AND created_at > %s
        ORDER BY created_at DESC LIMIT %s
    ) AS lately
"""


@transactions.start
def watch_channels() -> int:
    """Move every breaker whose time or sample says so; returns how many moved (start).

    Channels of CHANNEL_EXPOSURE_EXEMPT have none. Safe to run at once: the second finds the lock and does nothing.
    """
    codes = registry.list_channel_codes()
    KnownChannel.objects.bulk_create(
        [KnownChannel(code=code) for code in codes], ignore_conflicts=True
    )
    watched = [code for code in codes if code not in settings.CHANNEL_EXPOSURE_EXEMPT]
    if not watched:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
    limits = Limits(min_bad=settings.BREAKER_MIN_BAD, open_s=settings.BREAKER_OPEN_S)
    now, moved = database_now(), 0
    for code in watched:
        for method in sorted(registry.METHODS & registry.get_channel(code).capabilities):
            moved += _watch(code, method, now=now, limits=limits)
    if moved:
        transactions.after_commit(forget_health)
    return moved


@transactions.start
def close_breaker(*, channel_code: str, method: str) -> None:
    """Let payments through again at once, on an operator's word (start). Raises NotFound when it is CLOSED."""
    newest = _find_newest(channel_code, method)
    if newest is None or newest.state == BreakerState.CLOSED:
        raise NotFound(f"The breaker of {channel_code} for {method} is closed.")
    _record(channel_code, method, Standing(), Sample(0, 0), cause="operator")
    transactions.after_commit(forget_health)


def list_open_breakers(*, channel_code: str) -> list[str]:
    """Return the methods of a channel whose breaker is not CLOSED."""
    newest = BreakerMove.objects.filter(channel_code=channel_code)
    newest = newest.order_by("method", "-id").distinct("method")
    return [row.method for row in newest if row.state != BreakerState.CLOSED]


@transactions.start
def plan_maintenance(
    *,
    channel_code: str,
    method: str | None,
    starts_at: datetime | None,
    minutes: int,
    reason: str,
    made_by: str,
) -> int:
    """Send nothing new to a channel for so many minutes, from ``starts_at`` or from now on; returns the window (start).

    Raises InvalidRequest for an unknown channel, a method that is none, or a time that is over or endless.
    """
    now = database_now()
    starts = starts_at or now
    ends = starts + timedelta(minutes=minutes)
    rules = (
        (
            channel_code in registry.list_channel_codes(),
            "channel_code",
            "unknown_value",
            "there is no such channel",
        ),
        (
            method is None or method in registry.METHODS,
            "method",
            "unknown_value",
            "no method of channels",
        ),
        (
            timedelta(0) < ends - starts <= LONGEST_MAINTENANCE,
            "minutes",
            "range",
            "1 minute to 30 days",
        ),
        (ends > now or ends <= starts, "starts_at", "range", "it would be over already"),
    )
    faults = tuple(FieldError(*fault) for holds, *fault in rules if not holds)
    if faults:
        raise InvalidRequest("; ".join(fault.detail for fault in faults), errors=faults)
    window = MaintenanceWindow.objects.create(
        channel_code=channel_code,
        method=method,
        starts_at=starts,
        ends_at=ends,
        reason=reason,
        made_by=made_by,
    )
    transactions.after_commit(forget_health)
    return window.id


@transactions.start
def end_maintenance(*, window_id: int) -> None:
    """End a window now, or take it back before it began (start). Raises NotFound when it is over already."""
    window = MaintenanceWindow.objects.select_for_update().filter(pk=window_id).first()
    now = database_now()
    if window is None or window.ended_at is not None or window.ends_at <= now:
        raise NotFound("The window is over already.")
    window.ended_at = now
    window.save(update_fields=["ended_at"])
    transactions.after_commit(forget_health)


def _watch(code: str, method: Capability, *, now: datetime, limits: Limits) -> bool:
    newest = _find_newest(code, method)
    since = now - timedelta(seconds=settings.BREAKER_WINDOW_S)
    standing = Standing()
    if newest is not None:
        standing = Standing(BreakerState(newest.state), newest.trips, newest.until)
        since = newest.at if standing.state == BreakerState.HALF_OPEN else max(since, newest.at)
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE, [_SILENT_S, code, method, since, _LAST_REQUESTS])
        sample = Sample(*cursor.fetchone())
    following = decide_breaker(standing, sample, now=now, limits=limits)
    if following is None:
        return False
    _record(code, method, following, sample, cause="outcomes")
    return True


def _find_newest(code: str, method: str) -> BreakerMove | None:
    moves = BreakerMove.objects.filter(channel_code=code, method=method)
    return moves.order_by("-id").first()


def _record(code: str, method: str, standing: Standing, sample: Sample, *, cause: str) -> None:
    BreakerMove.objects.create(
        channel_code=code,
        method=method,
        state=standing.state,
        trips=standing.trips,
        until=standing.until,
        good=sample.good,
        bad=sample.bad,
        cause=cause,
        actor=context.actor.get(),
    )
