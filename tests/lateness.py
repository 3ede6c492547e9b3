"""How long something took, less what a busy machine kept this process from running.

A bound on time says: it ends by its own deadline and not when the other side likes. How long a machine lets a
process wait for its turn has nothing to do with that, so it is measured beside and taken off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.waiting import NotInTime

_BEAT_S = 0.01


@dataclass
class Span:
    """What was measured; complete when the block has ended."""

    elapsed_s: float = 0.0
    late_s: float = 0.0
    """How long a thread that only sleeps was kept from waking up; next to nothing on a quiet machine."""

    @property
    def seconds(self) -> float:
        """The time that is the block's own."""
        return self.elapsed_s - self.late_s

    def must_be_under(self, seconds: float) -> None:
        """Raise NotInTime when the block's own time was not under so many seconds."""
        if self.seconds >= seconds:
            message = f"took {self.seconds:.3f} s of its own, not under {seconds}"
            raise NotInTime(message)


@contextmanager
def measuring_time() -> Iterator[Span]:
    """``with measuring_time() as span: …``, then ``span.must_be_under(1)``."""
    span, ended = Span(), threading.Event()

    def beat() -> None:
        while not ended.is_set():
            slept_at = time.monotonic()
            time.sleep(_BEAT_S)
            span.late_s += max(0.0, time.monotonic() - slept_at - 2 * _BEAT_S)

    heart = threading.Thread(target=beat, name="heart", daemon=True)
    heart.start()
    began = time.monotonic()
    try:
        yield span
    finally:
        span.elapsed_s = time.monotonic() - began
        ended.set()
        heart.join()
