"""Who may send next, so that no slow merchant delays another. Pure: imports no framework.

Senders are threads that mostly wait. A send that is answered within a second never counts for long; one
that lingers moves over to the slow lane, and a receiver known to be slow starts there. The slow lane may
take only a part of the senders, so there is always room for everybody else.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SENDERS: Final = 128
FAST_SENDERS: Final = 32
SLOW_SENDERS: Final = 64
PER_MERCHANT: Final = 8
LINGERS_AFTER_S: Final = 1.0
SLOW_FOR_S: Final = 600.0
REST_S: Final = 2.0


@dataclass(slots=True)
class _Send:
    merchant_no: str
    host: str
    started: float
    slow: bool


@dataclass(slots=True)
class Lanes:
    """The sends of one run, and the hosts that were slow lately (``slow_until`` outlives the run)."""

    slow_until: dict[str, float] = field(default_factory=dict)
    _sends: dict[str, _Send] = field(default_factory=dict)
    _resting_until: dict[str, float] = field(default_factory=dict)

    def count_room(self) -> int:
        """How many sends may start now."""
        now = time.monotonic()
        young = sum(not self._is_slow(send, now) for send in self._sends.values())
        return max(0, min(FAST_SENDERS - young, SENDERS - len(self._sends)))

    def has_slow_room(self) -> bool:
        """Tell whether a receiver known to be slow may be tried now."""
        now = time.monotonic()
        return sum(self._is_slow(send, now) for send in self._sends.values()) < SLOW_SENDERS

    def list_busy_merchants(self) -> list[str]:
        """Merchants of whom no further row should be claimed at present."""
        now = time.monotonic()
        self._resting_until = {m: until for m, until in self._resting_until.items() if until > now}
        under_way = Counter(send.merchant_no for send in self._sends.values())
        full = {merchant_no for merchant_no, sends in under_way.items() if sends >= PER_MERCHANT}
        return sorted(full | self._resting_until.keys())

    def try_to_start(
        self, *, delivery_no: str, merchant_no: str, host: str, timed_out_before: bool
    ) -> bool:
        """Book a sender; False when the receiver is slow and the slow lane full: the row should wait."""
        now = time.monotonic()
        slow = timed_out_before or self.slow_until.get(host, 0.0) > now
        if slow and not self.has_slow_room():
            self._resting_until[merchant_no] = now + REST_S
            return False
        self._sends[delivery_no] = _Send(merchant_no, host, now, slow)
        return True

    def end(self, *, delivery_no: str, took_s: float) -> None:
        """Give the sender back and remember how quick the receiver was; no effect on a send never started."""
        send = self._sends.pop(delivery_no, None)
        if send is None:
            return
        now = time.monotonic()
        if took_s < LINGERS_AFTER_S:
            self.slow_until.pop(send.host, None)
            return
        for host in [host for host, until in list(self.slow_until.items()) if until <= now]:
            self.slow_until.pop(host, None)
        self.slow_until[send.host] = now + SLOW_FOR_S

    @staticmethod
    def _is_slow(send: _Send, now: float) -> bool:
        return send.slow or now - send.started >= LINGERS_AFTER_S
