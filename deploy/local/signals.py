"""Signals that ask us to end become an exception, once; while we tidy up, a second one means: hurry."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deploy.local.errors import Stopped

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_signals() -> Iterator[None]:
    """Raise Stopped in the main thread for Ctrl-C, `kill` and a closed terminal."""
    before = {number: signal.signal(number, _raise) for number in ENDING}
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


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)
