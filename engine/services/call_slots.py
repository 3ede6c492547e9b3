"""How many threads of a process may wait for channels: the others leave the work to a worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

_slots = threading.BoundedSemaphore(settings.CHANNEL_CALL_SLOTS)


@contextmanager
def take_call_slot() -> Iterator[bool]:
    """Hold one of CHANNEL_CALL_SLOTS slots for the block, if one is free: yields whether it was. Never waits."""
    taken = _slots.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            _slots.release()
