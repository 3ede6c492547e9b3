"""Gauges that are a question to the database, asked anew at every scrape: no process has to remember them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import structlog
from django.db import Error
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from acquiring import api as acquiring
from engine import api as engine

_log = structlog.get_logger(__name__)


class DatabaseFigures(Collector):
    """Open money by channel, and how merchants are told.

    Without a database there are no figures, and the counters are shown all the same.
    """

    def collect(self) -> Iterator[Metric]:
        """Ask and build the gauges."""
        try:
            exposure, late = engine.list_exposure(), engine.total_late_money()
            endpoints, backlog = acquiring.count_endpoints(), acquiring.count_overdue_deliveries()
        except Error as error:
            _log.warning("figures_unavailable", error=type(error).__name__)
            return
        gauge = GaugeMetricFamily(
            "platform_channel_exposure",
            "Minor units in requests without a usable answer",
            labels=("channel", "currency", "age"),
        )
        for row in exposure:
            gauge.add_metric((row.channel_code, row.currency, row.age), row.amount)
        yield gauge
        amount = GaugeMetricFamily(
            "platform_late_money_open",
            "Minor units of late money that has not ended",
            labels=("channel", "currency"),
        )
        overdue = GaugeMetricFamily(
            "platform_late_money_overdue",
            "Late receipts that are past LATE_MONEY_SLA_HOURS",
            labels=("channel", "currency"),
        )
        for total in late:
            amount.add_metric((total.channel_code, total.currency), total.amount)
            overdue.add_metric((total.channel_code, total.currency), total.overdue)
        yield amount
        yield overdue
        yield from _build_webhook_gauges(endpoints, backlog)


def _build_webhook_gauges(
    endpoints: dict[str, int], backlog: dict[str, int]
) -> Iterator[GaugeMetricFamily]:
    state = GaugeMetricFamily(
        "platform_webhook_endpoints",
        "Webhook endpoints that are on, or why they are off",
        labels=("state",),
    )
    for name, count in endpoints.items():
        state.add_metric((name,), count)
    yield state
    due = GaugeMetricFamily(
        "platform_webhook_backlog",
        "Deliveries to merchants that are due, by how long",
        labels=("age",),
    )
    for age, count in backlog.items():
        due.add_metric((age,), count)
    yield due


REGISTRY: Final = CollectorRegistry()
"""Of its own: the library's is read for every process of a machine, these figures are the platform's."""

REGISTRY.register(DatabaseFigures())
