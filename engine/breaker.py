"""When a circuit breaker 熔断器 opens, tries again and closes: the rule alone. Pure: imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.health_contracts import BreakerState

LONGEST_OPEN_S: Final = 600
PROBES: Final = 3
"""So many usable answers in a row close a breaker that is HALF_OPEN."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``min_bad`` requests without a usable answer, and at least half of all, open it; then for ``open_s`` seconds.

    Each time it opens again without having closed between, it stays open twice as long.
    """

    min_bad: int
    open_s: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests of one channel and method since the breaker last moved: usable answers, and none."""

    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a breaker stands. ``trips`` counts how often it opened without closing; ``until`` is set while OPEN."""

    state: BreakerState = BreakerState.CLOSED
    trips: int = 0
    until: datetime | None = None


def decide_breaker(
    standing: Standing, sample: Sample, *, now: datetime, limits: Limits
) -> Standing | None:
    """Return where it goes from here, or None when it stays."""
    if standing.state == BreakerState.OPEN:
        if standing.until is not None and now >= standing.until:
            return Standing(BreakerState.HALF_OPEN, standing.trips)
        return None
    if standing.state == BreakerState.HALF_OPEN:
        if sample.bad:
            return _open(standing, now, limits)
        return Standing() if sample.good >= PROBES else None
    if sample.bad >= limits.min_bad and sample.bad >= sample.good:
        return _open(standing, now, limits)
    return None


def _open(standing: Standing, now: datetime, limits: Limits) -> Standing:
    seconds = min(limits.open_s * 2 ** min(standing.trips, 20), LONGEST_OPEN_S)
    return Standing(BreakerState.OPEN, standing.trips + 1, now + timedelta(seconds=seconds))
