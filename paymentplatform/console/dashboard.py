"""What the first page shows: figures from roll-ups and partial indexes, whatever number of orders there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from acquiring import api as acquiring
from engine import api as engine
from paymentplatform.kernel.clock import database_now

COUNTED: Final = 10_000
PERIODS: Final = {
    "hour": (timedelta(hours=1), "5 minutes"),
    "day": (timedelta(days=1), "1 hour"),
    "week": (timedelta(days=7), "6 hours"),
}
_SERIES: Final = """
SELECT at, coalesce(sum(begun), 0)::bigint, coalesce(sum(paid), 0)::bigint, coalesce(sum(failed), 0)::bigint
  FROM generate_series(date_bin(%(step)s::interval, %(since)s, 'epoch'), platform_now(), %(step)s::interval) AS at
  LEFT JOIN console_volume
    ON dimension = 'METHOD' AND bucket_at >= at AND bucket_at < at + %(step)s::interval
 GROUP BY at ORDER BY at
"""
_SHARES: Final = """
SELECT dimension, name, currency, sum(begun)::bigint, sum(paid)::bigint, sum(failed)::bigint, sum(open)::bigint,
       sum(paid_amount)::bigint, sum(paid_ms)::bigint, sum(slow)::bigint
  FROM console_volume WHERE bucket_at >= %s GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC
"""
_LATE_ORDERS: Final = """
SELECT count(*), min(due_at) FROM (
    SELECT due_at FROM acquiring_trade_order WHERE due_at < platform_now() - interval '60 seconds'
    ORDER BY due_at LIMIT %s) AS late
"""
_OPEN: Final = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM engine_case WHERE resolved_at IS NULL LIMIT %(most)s) AS c),
       (SELECT count(*) FROM (SELECT 1 FROM engine_late_money
                                WHERE resolved_at IS NULL AND status = 'OPEN' LIMIT %(most)s) AS l),
       (SELECT count(*) FROM (SELECT 1 FROM console_proposal WHERE status = 'OPEN' LIMIT %(most)s) AS p),
       (SELECT count(*) FROM (SELECT 1 FROM engine_discrepancy WHERE resolved_at IS NULL LIMIT %(most)s) AS d),
       (SELECT count(*) FROM (SELECT 1 FROM acquiring_payout WHERE ended_at IS NULL LIMIT %(most)s) AS o)
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One bar of the chart."""

    at: datetime
    begun: int
    paid: int
    failed: int


@dataclass(frozen=True, slots=True)
class Share:
    """One method or channel in one currency over the period; amounts in minor units."""

    dimension: str
    name: str
    currency: str
    begun: int
    paid: int
    failed: int
    open: int
    paid_amount: int
    paid_ms: int
    slow: int

    @property
    def success_rate(self) -> float | None:
        """Percent of those that have ended; None when none has."""
        ended = self.paid + self.failed
        return 100 * self.paid / ended if ended else None

    @property
    def seconds(self) -> float | None:
        """Mean seconds from begin to paid."""
        return self.paid_ms / self.paid / 1000 if self.paid else None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything on the first page."""

    period: str
    points: tuple[Point, ...]
    shares: tuple[Share, ...]
    exposure: tuple[Any, ...]
    late_orders: int
    oldest_late_order: datetime | None
    backlog: dict[str, int]
    open_cases: int
    open_late_money: int
    open_proposals: int
    open_differences: int
    open_payouts: int
    disabled_channels: tuple[str, ...]
    settlement_due: tuple[acquiring.SettlementDue, ...]


def read_dashboard(*, period: str) -> Dashboard:
    """Read the figures of ``hour``, ``day`` or ``week`` (anything else is an hour)."""
    period = period if period in PERIODS else "hour"
    length, step = PERIODS[period]
    since = database_now() - length
    with connection.cursor() as cursor:
        cursor.execute(_SERIES, {"since": since, "step": step})
        points = tuple(Point(*row) for row in cursor.fetchall())
        cursor.execute(_SHARES, [since])
        shares = tuple(Share(*row) for row in cursor.fetchall())
        cursor.execute(_LATE_ORDERS, [COUNTED])
        late_orders, oldest = cursor.fetchone()
        cursor.execute(_OPEN, {"most": COUNTED})
        cases, late_money, proposals, differences, payouts = cursor.fetchone()
    return Dashboard(
        period=period,
        points=points,
        shares=shares,
        exposure=tuple(engine.list_exposure()),
        late_orders=late_orders,
        oldest_late_order=oldest,
        backlog=acquiring.count_overdue_deliveries(),
        open_cases=cases,
        open_late_money=late_money,
        open_proposals=proposals,
        open_differences=differences,
        open_payouts=payouts,
        disabled_channels=tuple(engine.list_disabled_channels()),
        settlement_due=tuple(acquiring.list_settlement_due()),
    )
