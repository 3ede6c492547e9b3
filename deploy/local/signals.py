"""Signals that ask us to end become an exception, once; while we tidy up, a second one means: hurry.

Those that come together are one: a supervisor often sends two, and the second must not keep us from tidying up.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.local.errors import Stopped

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOGETHER_SECONDS = 1.0


@contextmanager
def ending_signals() -> Iterator[None]:
    """Raise Stopped in the main thread for Ctrl-C, `kill` and a closed terminal."""
    heard = -TOGETHER_SECONDS

    def raise_stopped(number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        before, heard = heard, time.monotonic()
        if heard - before >= TOGETHER_SECONDS:
            raise Stopped(number)

    before = {number: signal.signal(number, raise_stopped) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def no_signals() -> Iterator[None]:
    """Let nothing interrupt the block; it must be short."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
