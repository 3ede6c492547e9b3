"""Keep the dashboard's roll-ups: by ranges of numbers, which begin with the time, so the keys' own indexes serve."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now

BUCKET: Final = timedelta(minutes=5)
KEPT_OPEN: Final = timedelta(days=7)
FRESH_BUCKETS: Final = 2
"""These are made again each time: payments may still begin in the newest, and hosts' clocks differ a little."""

_MAKE: Final = """
INSERT INTO console_volume (bucket_at, dimension, name, currency, begun, paid, failed, open, paid_amount, paid_ms, slow)
SELECT %s, {dimension}, {name}, currency, count(*),
       count(*) FILTER (WHERE {paid}), count(*) FILTER (WHERE {failed}),
       count(*) FILTER (WHERE NOT {paid} AND NOT {failed}),
       coalesce(sum(amount) FILTER (WHERE {paid}), 0),
       coalesce(sum(extract(epoch FROM {ended_at} - created_at) * 1000) FILTER (WHERE {paid}), 0)::bigint,
       count(*) FILTER (WHERE {paid} AND {ended_at} - created_at > interval '10 seconds')
  FROM {table} WHERE {key} >= %s AND {key} < %s GROUP BY {name}, currency
ON CONFLICT (bucket_at, dimension, name, currency) DO UPDATE SET
    begun = excluded.begun, paid = excluded.paid, failed = excluded.failed, open = excluded.open,
    paid_amount = excluded.paid_amount, paid_ms = excluded.paid_ms, slow = excluded.slow
"""
_METHODS: Final = _MAKE.format(
    dimension="'METHOD'",
    name="method",
    paid="status = 'PAID'",
    failed="status = 'FAILED'",
    ended_at="coalesce(paid_at, created_at)",
    table="engine_payment_order",
    key="payment_no",
)
_CHANNELS: Final = _MAKE.format(
    dimension="'CHANNEL'",
    name="channel_code",
    paid="status = 'SUCCEEDED'",
    failed="status IN ('FAILED', 'CLOSED')",
    ended_at="coalesce(last_outcome_at, created_at)",
    table="engine_channel_attempt",
    key="attempt_no",
)
_DUE: Final = """
SELECT bucket FROM (
    SELECT generate_series(
        greatest(coalesce((SELECT max(bucket_at) FROM console_volume), %(since)s), %(since)s), %(last)s,
        interval '5 minutes') AS bucket
    UNION SELECT DISTINCT bucket_at FROM console_volume WHERE open > 0 AND bucket_at >= %(since)s
    UNION SELECT generate_series(%(fresh)s::timestamptz, %(last)s, interval '5 minutes')
) AS due ORDER BY bucket DESC LIMIT %(most)s
"""


@transactions.start
def roll_up_volumes(*, limit: int = 500) -> int:
    """Make at most ``limit`` buckets anew, the newest first, and return how many (start).

    Due are the buckets since the newest known one, of the last week at most, and those with something open. Safe
    at once in several processes: only one works.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('console volumes', 0))")
        (mine,) = cursor.fetchone()
        if not mine:
            return 0
        last = _begin_of(database_now())
        due: dict[str, datetime | int] = {
            "since": last - KEPT_OPEN,
            "last": last,
            "fresh": last - FRESH_BUCKETS * BUCKET,
            "most": limit,
        }
        cursor.execute(_DUE, due)
        buckets = [bucket for (bucket,) in cursor.fetchall()]
        for bucket in buckets:
            for statement, prefix in ((_METHODS, numbers.PAYMENT), (_CHANNELS, numbers.ATTEMPT)):
                edges = (
                    numbers.first_number(prefix, bucket),
                    numbers.first_number(prefix, bucket + BUCKET),
                )
                cursor.execute(statement, (bucket, *edges))
    return len(buckets)


def _begin_of(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)
