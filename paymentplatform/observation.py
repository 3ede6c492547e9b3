"""One log line and one count for each answered request, the same for both handlers."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import Counter, Histogram

from paymentplatform.kernel import context
from paymentplatform.kernel.metrics import HTTP_REQUESTS, HTTP_SECONDS
from paymentplatform.kernel.redaction import redact_value
from paymentplatform.logging import write_answer

NO_ROUTE: Final = "(none)"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET: Final = frozenset({"healthz", "readyz", "metrics"})

_counters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}


def observe_answer(
    *, method: str, path: str, route: str, status: int, started_ns: int, is_plain: bool = False
) -> None:
    """Record one answer; ``started_ns`` is what ``time.perf_counter_ns`` said at the beginning.

    The query string is left out: it may hold a secret, and the route says enough. So may a path, unless it is plain:
    made of the route and numbers of ours. Looking for secrets takes longer than all the rest here.
    """
    seconds = (time.perf_counter_ns() - started_ns) / 1e9
    if method not in _METHODS:
        method = "OTHER"
    key = (method, route, status)
    children = _counters.get(key)
    if children is None:
        children = (
            HTTP_REQUESTS.labels(method, route, str(status)),
            HTTP_SECONDS.labels(method, route),
        )
        _counters[key] = children
    children[0].inc()
    children[1].observe(seconds)
    if route not in _QUIET:
        write_answer(
            method=method,
            route=route,
            path=path if is_plain else redact_value(path),
            status=status,
            duration_ms=round(seconds * 1000, 2),
            actor=context.actor.get(),
        )
