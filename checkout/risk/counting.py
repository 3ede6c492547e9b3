"""Velocity counters out of a list of wishes instead of Redis: how draft rules are rehearsed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from checkout.risk.deciding import Counter


@dataclass(slots=True)
class _Windows:
    slot: int
    this: int = 0
    last: int = 0


@dataclass(slots=True)
class ReplayedCounters:
    """Counts as ``checkout.services.velocity`` does: this window, and what the sliding one still covers of the last."""

    _windows: dict[str, _Windows] = field(default_factory=dict)

    def count(self, counter: Counter, *, at: int) -> int:
        """Add a wish and return what the counter says then; wishes come in the order of their time."""
        slot, into = divmod(at, counter.window_s)
        windows = self._windows.setdefault(counter.name, _Windows(slot))
        behind = slot - windows.slot
        if behind > 0:
            windows.last = windows.this if behind == 1 else 0
            windows.slot, windows.this = slot, 0
        windows.this += counter.adds
        return windows.this + windows.last * (counter.window_s - into) // counter.window_s
