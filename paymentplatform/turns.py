"""Threads that compute go on a few at a time, in the order in which they came.

Python lets one thread run at a time, but does not say which of those that want to: with sixteen, some answers are
overtaken again and again. Whoever must wait here waits his turn; what the machine does in a second stays the same.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets ``most`` threads go on at once. Who has waited for ``patience_s`` seconds goes on anyway.

    So a thread that has a turn and waits for something, a row that another holds, cannot stop the others.
    """

    def __init__(self, *, most: int, patience_s: float) -> None:
        self._lock = threading.Lock()
        self._free = most
        """Negative: so many have gone on without a turn and have not ended yet."""
        self._waiting: deque[threading.Lock] = deque()
        self._patience_s = patience_s

    @property
    def free(self) -> int:
        """How many could go on now; negative when more go on than should."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Go on with the block when it is this thread's turn."""
        self._wait()
        try:
            yield
        finally:
            self._give_back()

    def _wait(self) -> None:
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=self._patience_s):
            return
        with self._lock:
            if turn in self._waiting:  # else it was handed over at this very moment
                self._waiting.remove(turn)
                self._free -= 1

    def _give_back(self) -> None:
        """Hand the turn to the first that waits; what went on without one is made good first."""
        with self._lock:
            if self._waiting and self._free >= 0:
                self._waiting.popleft().release()
            else:
                self._free += 1
