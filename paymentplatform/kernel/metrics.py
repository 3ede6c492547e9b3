"""What the platform counts.

Every process writes its own files under PROMETHEUS_MULTIPROC_DIR, and /metrics adds them up.
Labels are few and come from closed lists: never a merchant, a number or a path.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# The library looks at this when it is imported, and fails on a folder that is not there.
if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(folder).mkdir(parents=True, exist_ok=True)

from prometheus_client import Counter, Histogram

_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

HTTP_REQUESTS: Final = Counter(
    "platform_http_requests", "Answered requests", ("method", "route", "status")
)
HTTP_SECONDS: Final = Histogram(
    "platform_http_seconds", "Time to answer", ("method", "route"), buckets=_SECONDS
)
DOORBELL_RINGS: Final = Counter("platform_doorbell_rings", "Messages that wake a worker", ("task",))
CHANNEL_CALLS: Final = Counter(
    "platform_channel_calls", "Calls to institutions", ("channel", "operation", "outcome")
)
CHANNEL_SECONDS: Final = Histogram(
    "platform_channel_seconds",
    "Time institutions took",
    ("channel", "operation"),
    buckets=_SECONDS,
)
PAYMENT_OUTCOMES: Final = Counter(
    "platform_payment_outcomes", "Payments that reached an end", ("status", "failure_code")
)
REFUND_OUTCOMES: Final = Counter(
    "platform_refund_outcomes", "Refunds that reached an end", ("purpose", "status")
)
WEBHOOK_TRIES: Final = Counter("platform_webhook_tries", "Tries to notify merchants", ("result",))
RATE_LIMITED: Final = Counter(
    "platform_rate_limited", "Requests refused for being too many", ("reason",)
)
SWEPT_ROWS: Final = Counter(
    "platform_swept_rows", "Due rows that a sweep has worked off", ("task",)
)
TASKS: Final = Counter("platform_tasks", "Finished background tasks", ("task", "state"))
CONFIG_CACHE_LOOKUPS: Final = Counter(
    "platform_config_cache_lookups",
    "Questions to the caches of configuration, answered from memory or not",
    ("cache", "result"),
)
RISK_DECISIONS: Final = Counter("platform_risk_decisions", "Wishes to pay judged", ("outcome",))
RISK_UNCOUNTED: Final = Counter(
    "platform_risk_uncounted", "Velocity counters that could not be read in time"
)
