"""Signs of life of beat and worker, kept in Redis for a few seconds each; /readyz looks for them.

Redis counts down by its own clock, so hosts that disagree about the time do not matter.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from celery import shared_task
from celery.signals import before_task_publish
from django.core.cache import cache
from redis.exceptions import RedisError

TASK: Final = "platform.heartbeat"
LIFETIME_S: Final = 20
"""Four ticks of the clock: one lost message is no alarm."""

_KEY: Final = "heartbeat:{}"
_log = structlog.get_logger(__name__)


@shared_task(name=TASK)
def beat_heart() -> None:
    """Show that a worker takes messages and works them off."""
    cache.set(_KEY.format("worker"), 1, LIFETIME_S)


@before_task_publish.connect(sender=TASK)
def show_beat_alive(**_kwargs: Any) -> None:
    """Show, in the process of beat, that it is about to send; sending itself may fail with Redis."""
    try:
        cache.set(_KEY.format("beat"), 1, LIFETIME_S)
    except (RedisError, OSError) as error:
        _log.warning("heartbeat_failed", error=type(error).__name__)


def find_silent() -> list[str]:
    """Return which of beat and worker have shown no life lately. Raises what the Redis client raises."""
    names = {_KEY.format(name): name for name in ("worker", "beat")}
    alive = cache.get_many(list(names))
    return [name for key, name in names.items() if key not in alive]
