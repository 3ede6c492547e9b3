"""How often somebody may do something: a leaky bucket per key in this process, for the latest keys only.

Nothing is shared and nothing is asked, so it costs a microsecond and holds without Redis; with N web processes the
limit is up to N times as high. What guards a secret is counted elsewhere too: payment passwords for each payer in the
database, for each page and address in Redis (``checkout.services.password_tries``); second factors in the database.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from paymentplatform.kernel.errors import RateLimited
from paymentplatform.kernel.metrics import RATE_LIMITED

MOST_KEYS: Final = 10_000


class Throttle:
    """Admits ``at_once`` tries of a key, then ``per_minute``; ``name`` is its label in ``platform_rate_limited``."""

    def __init__(
        self,
        *,
        name: str,
        at_once: int,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once, self._per_second, self._clock = at_once, per_minute / 60, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._refused = RATE_LIMITED.labels(name)

    def admit(self, key: str) -> None:
        """Count one try. Raises RateLimited, with the seconds to wait, when it is one too many (and not counted)."""
        now = self._clock()
        with self._lock:
            level, at = self._levels.pop(key, (0.0, now))
            level = max(0.0, level - (now - at) * self._per_second)
            too_much = level + 1 - self._at_once
            self._levels[key] = (level if too_much > 0 else level + 1, now)
            if len(self._levels) > MOST_KEYS:
                self._levels.popitem(last=False)
        if too_much > 0:
            self._refused.inc()
            raise RateLimited(retry_after_s=math.ceil(too_much / self._per_second))
