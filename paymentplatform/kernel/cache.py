"""A small in-process cache for configuration: bounded age with jitter, one refresh at a time per key.

Only for what may be a few seconds old; money decisions re-check inside their own statement. Every cache has a name,
under which its hits and misses are counted (``platform_config_cache_lookups``).
"""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from paymentplatform.kernel import metrics

K = TypeVar("K")
V = TypeVar("V")


_NO_STAMP: Final = object()


class ConfigCache(Generic[K, V]):
    """Remember ``load(key)`` for about ``seconds`` (± 20 %, so that entries do not all expire together).

    While one thread refreshes an entry the others keep the old value. A load that raises is not remembered.
    ``read_stamp(key)``, if given, is a cheap question after the version of what ``load`` would read: an entry whose
    stamp has not changed is kept for another while instead of being loaded again.
    """

    def __init__(
        self,
        load: Callable[[K], V],
        *,
        name: str,
        seconds: float,
        limit: int = 10_000,
        read_stamp: Callable[[K], object] | None = None,
    ) -> None:
        self._load, self._read_stamp = load, read_stamp
        self._seconds, self._limit = seconds, limit
        self._entries: dict[K, tuple[float, V, object]] = {}
        self._loading: set[K] = set()
        self._lock = threading.Lock()
        self._counted_hit = metrics.CONFIG_CACHE_LOOKUPS.labels(name, "hit")
        self._counted_miss = metrics.CONFIG_CACHE_LOOKUPS.labels(name, "miss")
        self.hits = 0
        self.misses = 0

    def get(self, key: K) -> V:
        """Return the remembered or freshly loaded value; raises what the loader raises."""
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and (entry[0] > now or not self._claim(key)):
            self.hits += 1
            self._counted_hit.inc()
            return entry[1]
        self.misses += 1
        self._counted_miss.inc()
        try:
            value, stamp = self._refresh(key, entry)
        except Exception:
            self._entries.pop(key, None)
            raise
        finally:
            with self._lock:
                self._loading.discard(key)
        if len(self._entries) >= self._limit:
            self._entries.clear()
        age = self._seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        self._entries[key] = (now + age, value, stamp)
        return value

    def holds(self, key: K) -> bool:
        """Tell whether something is remembered for the key, however old."""
        return key in self._entries

    def forget(self) -> None:
        """Drop everything, so that the next read is fresh."""
        self._entries.clear()

    def _refresh(self, key: K, entry: tuple[float, V, object] | None) -> tuple[V, object]:
        """Return value and stamp; the stamp is read first, so that a change during the load is seen next time."""
        stamp = self._read_stamp(key) if self._read_stamp is not None else _NO_STAMP
        if entry is not None and stamp is not _NO_STAMP and stamp == entry[2]:
            return entry[1], stamp
        return self._load(key), stamp

    def _claim(self, key: K) -> bool:
        with self._lock:
            if key in self._loading:
                return False
            self._loading.add(key)
            return True


class StampedCache(Generic[K, V]):
    """Remember a value for as long as its stamp stands, the ``limit`` latest ones.

    Whoever asks has just read the stamp from the database, so what is remembered is never older than the truth, in
    whichever process, and nobody has to drop it.
    """

    def __init__(self, *, name: str, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[K, tuple[object, V]] = OrderedDict()
        self._lock = threading.Lock()
        self._counted_hit = metrics.CONFIG_CACHE_LOOKUPS.labels(name, "hit")
        self._counted_miss = metrics.CONFIG_CACHE_LOOKUPS.labels(name, "miss")

    def get(self, key: K, *, stamp: object, load: Callable[[], V]) -> V:
        """Return what was loaded under this stamp, or load it now; the stamp was read before the call."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] == stamp:
                self._entries.move_to_end(key)
                self._counted_hit.inc()
                return entry[1]
        self._counted_miss.inc()
        value = load()
        with self._lock:
            self._entries[key] = (stamp, value)
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        return value
