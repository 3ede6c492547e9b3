"""A small in-process cache for configuration: bounded age with jitter, one refresh at a time per key.

Only for what may be a few seconds old; money decisions re-check inside their own statement.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ConfigCache(Generic[K, V]):
    """Remember ``load(key)`` for about ``seconds`` (± 20 %, so that entries do not all expire together).

    While one thread refreshes an entry the others keep the old value. A load that raises is not remembered.
    """

    def __init__(self, load: Callable[[K], V], *, seconds: float, limit: int = 10_000) -> None:
        self._load, self._seconds, self._limit = load, seconds, limit
        self._entries: dict[K, tuple[float, V]] = {}
        self._loading: set[K] = set()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def get(self, key: K) -> V:
        """Return the remembered or freshly loaded value; raises what the loader raises."""
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and (entry[0] > now or not self._claim(key)):
            self.hits += 1
            return entry[1]
        self.misses += 1
        try:
            value = self._load(key)
        except Exception:
            self._entries.pop(key, None)
            raise
        finally:
            with self._lock:
                self._loading.discard(key)
        if len(self._entries) >= self._limit:
            self._entries.clear()
        age = self._seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self._entries[key] = (now + age, value)
        return value

    def holds(self, key: K) -> bool:
        """Tell whether something is remembered for the key, however old."""
        return key in self._entries

    def forget(self) -> None:
        """Drop everything, so that the next read is fresh."""
        self._entries.clear()

    def _claim(self, key: K) -> bool:
        with self._lock:
            if key in self._loading:
                return False
            self._loading.add(key)
            return True
