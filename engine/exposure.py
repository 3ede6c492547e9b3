"""Exposure 敞口: how much money may be anywhere, because a channel took a request and gave no usable answer.

A payment that waits for its payer (PENDING) is no exposure: the channel has said so itself. Too much of it takes the
channel out of routing until its answers are known again; nothing that runs is touched.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from django.conf import settings
from django.db import connection

from engine.contracts import Exposure

READ_EVERY_S: Final = 0.9
"""Routing looks at figures of this age at most."""

_EXPOSURE: Final = """
    SELECT channel_code, currency,
        CASE WHEN age < interval '1 minute' THEN 'under_1m' WHEN age < interval '10 minutes' THEN 'under_10m'
             WHEN age < interval '1 hour' THEN 'under_1h' WHEN age < interval '1 day' THEN 'under_1d'
             ELSE 'over_1d' END AS band,
        count(*), sum(amount)::bigint, min(since)
    FROM (
        SELECT channel_code, currency, amount, coalesce(submit_claimed_at, created_at) AS since,
            platform_now() - coalesce(submit_claimed_at, created_at) AS age
        FROM engine_channel_attempt
        WHERE status IN ('CREATED', 'SENT', 'UNKNOWN')
          AND (status = 'UNKNOWN' OR submit_claimed_at < platform_now() - interval '10 seconds')
    ) AS unknown
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, min(age)
"""


def list_exposure() -> list[Exposure]:
    """Return the money whose whereabouts are unknown by channel, currency and age, youngest first."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPOSURE)
        return [Exposure(*row) for row in cursor.fetchall()]


def is_over_limit(*, channel_code: str, currency: str | None) -> bool:
    """Whether so much is unknown at this channel that nothing new may go there; at most a second old."""
    limit = settings.CHANNEL_EXPOSURE_LIMIT
    if limit == 0 or channel_code in settings.CHANNEL_EXPOSURE_EXEMPT:
        return False
    return any(
        total >= limit
        for (code, money), total in _figures.read().items()
        if code == channel_code and currency in {None, money}
    )


def forget_figures() -> None:
    """Let the next look be at the table itself."""
    _figures.forget()


class _Figures:
    """Totals by channel and currency, read by one thread at a time and kept for READ_EVERY_S."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._totals: dict[tuple[str, str], int] = {}

    def read(self) -> dict[tuple[str, str], int]:
        with self._lock:
            if time.monotonic() - self._read_at > READ_EVERY_S:
                totals: dict[tuple[str, str], int] = {}
                started = time.monotonic()
                for row in list_exposure():
                    key = (row.channel_code, row.currency)
                    totals[key] = totals.get(key, 0) + row.amount
                self._totals, self._read_at = totals, started
            return self._totals

    def forget(self) -> None:
        with self._lock:
            self._read_at = float("-inf")


_figures = _Figures()
