"""Velocity counters: how often, or how much, somebody has tried to pay lately. Kept in Redis, counted and read at once.

One round trip for all counters of a wish. Each is two numbers, of the present and of the last window by Redis' clock;
what is counted is the present one and as much of the last as the sliding window still covers.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import redis
import structlog
from django.conf import settings
from redis.exceptions import NoScriptError

from checkout.risk.deciding import Counter
from paymentplatform.kernel import metrics

REST_AFTER_FAILURE_S: Final = 1.0
"""So long nobody of this process waits for a Redis that has just not answered."""
_PREFIX: Final = "paymentplatform:risk:"

_COUNT: Final = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local counted = {}
for i, key in ipairs(KEYS) do
    local window, adds = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local slot = math.floor(now / window)
    local known = redis.call('HMGET', key, 'slot', 'this', 'last')
    local this, last = tonumber(known[2]) or 0, tonumber(known[3]) or 0
    local behind = slot - (tonumber(known[1]) or slot)
    if behind == 1 then last = this elseif behind > 1 then last = 0 end
    if behind > 0 then this = 0 end
    this = this + adds
    redis.call('HSET', key, 'slot', slot, 'this', string.format('%.0f', this), 'last', string.format('%.0f', last))
    redis.call('EXPIRE', key, 2 * window)
    counted[i] = string.format('%.0f', math.floor(this + last * (1 - (now / window - slot))))
end
return counted
"""
_COUNT_SHA: Final = hashlib.sha1(_COUNT.encode(), usedforsecurity=False).hexdigest()

_log = structlog.get_logger(__name__)
_local = threading.local()
_resting_until = [0.0]


def count_tries(counters: Sequence[Counter]) -> dict[str, int]:
    """Count this wish on every counter and return what they say now; nothing when Redis does not answer in time."""
    if not counters or time.monotonic() < _resting_until[0]:
        return {}
    try:
        answers = _ask(counters)
    except (redis.RedisError, OSError, ValueError) as error:
        _resting_until[0] = time.monotonic() + REST_AFTER_FAILURE_S
        _log.warning("risk_counters_unreadable", error=type(error).__name__)
        metrics.RISK_UNCOUNTED.inc()
        return {}
    return {counter.name: int(answer) for counter, answer in zip(counters, answers, strict=True)}


def _ask(counters: Sequence[Counter]) -> list[bytes]:
    keys = [_PREFIX + counter.name for counter in counters]
    numbers = [number for counter in counters for number in (counter.window_s, counter.adds)]
    rest = (len(keys), *keys, *numbers)
    try:
        return list(_send("EVALSHA", _COUNT_SHA, *rest))
    except NoScriptError:
        return list(_send("EVAL", _COUNT, *rest))
    except redis.ConnectionError:  # perhaps only the connection is old; a second count does no harm
        return list(_send("EVAL", _COUNT, *rest))


def _send(*command: Any) -> Any:
    """Speak on this thread's own connection: the client around it would cost more than all the rest."""
    connection = getattr(_local, "connection", None)
    if connection is None:
        timeout_s = settings.RISK_COUNT_TIMEOUT_S
        pool = redis.ConnectionPool.from_url(
            settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
        connection = _local.connection = pool.make_connection()
    connection.send_packed_command(connection.pack_command(*command))
    return connection.read_response()
