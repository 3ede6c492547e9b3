"""How many threads of a process may wait for channels: the others leave the work to a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings

PATIENCE_S: Final = 0.4
"""So long after a call began a thread waits for its slot: an institution that answers as usual is done by then."""


class CallSlots:
    """A few slots, and since when each is held."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._held_since: list[float] = []

    def take(self) -> float | None:
        """Take a slot and return what names it; None when all are held by calls that take longer than usual.

        Nobody waits longer than PATIENCE_S after the youngest call began: a silent institution holds threads up for
        that moment at its beginning and not again.
        """
        over = time.monotonic() + 2 * PATIENCE_S
        with self._changed:
            while len(self._held_since) >= self._number:
                left = min(max(self._held_since) + PATIENCE_S, over) - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return None
            since = time.monotonic()
            self._held_since.append(since)
            return since

    def give_back(self, since: float) -> None:
        """Let the next thread have it."""
        with self._changed:
            self._held_since.remove(since)
            self._changed.notify()


_slots = CallSlots(settings.CHANNEL_CALL_SLOTS)


@contextmanager
def take_call_slot() -> Iterator[bool]:
    """Hold one of CHANNEL_CALL_SLOTS slots for the block; yields whether there was one.

    Waits a moment (PATIENCE_S) for a call that has only just begun, so that a few payers at once all get what they
    have to do next in the first answer; never for one that takes longer than usual.
    """
    since = _slots.take()
    try:
        yield since is not None
    finally:
        if since is not None:
            _slots.give_back(since)
