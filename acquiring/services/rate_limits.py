"""How much each merchant may ask of us, and how often anybody may guess keys: decided without waiting for anything.

Every process keeps a leaky bucket for each merchant: a request pours one in, ``limit`` leak out every second, and
what would overflow is refused. A thread tells Redis ten times a second what was poured in here, and hears what all
processes have poured in together. So no request waits for Redis; without Redis each process holds the limit alone.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from django.conf import settings

from paymentplatform.kernel.errors import RateLimited
from paymentplatform.kernel.metrics import RATE_LIMITED

BURST_S: Final = 1.0
"""A merchant's bucket holds what leaks out of it in this time."""
PLATFORM_BURST_S: Final = 0.2
"""The same for the bucket of everybody: what is let in beyond the machine's pace makes all that follow wait as long."""
SHARE_EVERY_S: Final = 0.1
REST_AFTER_FAILURE_S: Final = 1.0
REDIS_TIMEOUT_S: Final = 1.0
MOST_BUCKETS: Final = 20_000
MOST_ADDRESSES: Final = 10_000
GUESSES_AT_ONCE: Final = 20
EVERYBODY: Final = "*"
"""The bucket into which every merchant's requests are poured."""

_POUR: Final = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local limit, poured = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('HMGET', KEYS[1], 'level', 'at')
local leaked = math.max(0, now - (tonumber(known[2]) or now)) * limit
local level = math.max(0, (tonumber(known[1]) or 0) - leaked) + poured
redis.call('HSET', KEYS[1], 'level', string.format('%.3f', level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(level / limit * 1000) + 1000)
return string.format('%.3f', level)
"""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Bucket:
    """Holds ``room``, leaks ``rate`` a second. At the moment ``at`` (monotonic) ``level`` was in it, of which Redis
    has not heard of ``untold``.
    """

    rate: float
    room: float
    at: float
    level: float = 0.0
    untold: int = 0

    def leak(self, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * self.rate)
        self.at = now

    def find_wait(self) -> float:
        """Return the seconds until one more fits in; 0 or less when it does now."""
        return (self.level + 1 - self.room) / self.rate


class MerchantLimits:
    """The buckets of one process. ``connect`` makes the Redis client that its thread uses."""

    def __init__(
        self, connect: Callable[[], redis.Redis], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect, self._clock = connect, clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        self._poured = threading.Event()
        self._pid = 0

    def admit(self, *, merchant_no: str, limit_per_s: int, burst_s: float = BURST_S) -> None:
        """Count one request of a merchant. Raises RateLimited when it is one too many."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(merchant_no) or self._add_bucket(merchant_no, now)
            bucket.rate, bucket.room = limit_per_s, max(1.0, limit_per_s * burst_s)
            bucket.leak(now)
            wait_s = bucket.find_wait()
            if wait_s <= 0:
                bucket.level += 1
                bucket.untold += 1
        if wait_s > 0:
            RATE_LIMITED.labels("merchant").inc()
            raise RateLimited(retry_after_s=math.ceil(wait_s))
        if not self._poured.is_set():
            self._poured.set()
        if self._pid != os.getpid():
            self._begin_sharing()

    def share(self, client: redis.Redis) -> None:
        """Tell Redis what was poured in since the last time, and take over the levels that it knows."""
        with self._lock:
            told = {no: b.untold for no, b in self._buckets.items() if b.untold}
            for merchant_no in told:
                self._buckets[merchant_no].untold = 0
            rates = {no: self._buckets[no].rate for no in told}
        if not told:
            return
        pipeline = client.pipeline(transaction=False)
        for merchant_no, poured in told.items():
            pipeline.eval(
                _POUR, 1, f"paymentplatform:rate:{merchant_no}", rates[merchant_no], poured
            )
        levels = pipeline.execute()
        now = self._clock()
        with self._lock:
            for merchant_no, level in zip(told, levels, strict=True):
                bucket = self._buckets.get(merchant_no)
                if bucket is not None:
                    bucket.level, bucket.at = float(level) + bucket.untold, now

    def _add_bucket(self, merchant_no: str, now: float) -> _Bucket:
        if len(self._buckets) >= MOST_BUCKETS:
            # An empty bucket is as good as none.
            empty = [no for no, b in self._buckets.items() if (now - b.at) * b.rate >= b.level]
            for other in empty:
                del self._buckets[other]
        bucket = self._buckets[merchant_no] = _Bucket(rate=1.0, room=1.0, at=now)
        return bucket

    def _begin_sharing(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid, self._poured = os.getpid(), threading.Event()
            self._poured.set()
            threading.Thread(
                target=self._share_for_ever, args=(self._poured,), name="rate-limits", daemon=True
            ).start()

    def _share_for_ever(self, poured: threading.Event) -> None:
        client: redis.Redis | None = None
        pause = threading.Event()
        failing = False
        while True:
            poured.wait()
            poured.clear()
            try:
                client = client or self._connect()
                self.share(client)
                failing = False
            except (redis.RedisError, OSError, ValueError) as error:
                if not failing:
                    _log.warning("rate_limits_not_shared", error=type(error).__name__)
                failing = True
            pause.wait(REST_AFTER_FAILURE_S if failing else SHARE_EVERY_S)


class GuessLimits:
    """Addresses that have lately presented keys that do not exist: a bucket each, for the latest of them only."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def find_wait(self, address: str) -> int:
        """Return the seconds until this address may try another key, 0 when it may now."""
        if address not in self._buckets:
            return 0
        with self._lock:
            bucket = self._buckets.get(address)
            if bucket is None:
                return 0
            bucket.leak(self._clock())
            return max(0, math.ceil(bucket.find_wait()))

    def note(self, address: str, *, per_minute: int) -> None:
        """Count one wrong key."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(address, None) or _Bucket(1.0, GUESSES_AT_ONCE, now)
            bucket.rate = per_minute / 60
            bucket.leak(now)
            bucket.level += 1
            self._buckets[address] = bucket
            if len(self._buckets) > MOST_ADDRESSES:
                self._buckets.popitem(last=False)


def _connect() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )


_merchants = MerchantLimits(_connect)
_guesses = GuessLimits()


def admit_request(*, merchant_no: str, limit_per_s: int | None) -> None:
    """Count one request of a merchant; None means the platform's default limit. Raises RateLimited.

    What he may ask is counted toward what all may ask together: who is refused for himself takes nobody's place.
    """
    _merchants.admit(
        merchant_no=merchant_no, limit_per_s=limit_per_s or settings.MERCHANT_RATE_LIMIT_PER_S
    )
    if settings.PLATFORM_RATE_LIMIT_PER_S:
        _merchants.admit(
            merchant_no=EVERYBODY,
            limit_per_s=settings.PLATFORM_RATE_LIMIT_PER_S,
            burst_s=PLATFORM_BURST_S,
        )


def find_guess_wait(*, address: str) -> int:
    """Return the seconds until this address may try another unknown key, 0 when it may now."""
    return _guesses.find_wait(address)


def note_wrong_key(*, address: str) -> None:
    """Count a key that does not exist against the address it came from."""
    if settings.WRONG_KEYS_PER_MINUTE:
        _guesses.note(address, per_minute=settings.WRONG_KEYS_PER_MINUTE)
