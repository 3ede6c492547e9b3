"""Signals that ask us to end become an exception, once; while we tidy up, a second one means: hurry.

Those that come together are one: a supervisor often sends two, and the second must not keep us from tidying up.
One that comes while a process is being started waits until we know its number.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from deploy.local.errors import Stopped

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOGETHER_SECONDS = 1.0


@dataclass
class _Held:
    """How many blocks hold signals back, and the one that came meanwhile."""

    blocks: int = 0
    late: int | None = None


_held = _Held()


@contextmanager
def ending_signals() -> Iterator[None]:
    """Raise Stopped in the main thread for Ctrl-C, `kill` and a closed terminal."""
    heard = -TOGETHER_SECONDS

    def raise_stopped(number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        before, heard = heard, time.monotonic()
        if heard - before < TOGETHER_SECONDS:
            return
        if _held.blocks:
            _held.late = number
            return
        raise Stopped(number)

    before = {number: signal.signal(number, raise_stopped) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_signals() -> Iterator[None]:
    """Let a signal interrupt only after the block: what the block starts can then be ended.

    Python's Popen forgets its child when an exception comes between fork and return. The block must be short.
    """
    _held.blocks += 1
    try:
        yield
    finally:
        _held.blocks -= 1
        if not _held.blocks and (late := _held.late) is not None:
            _held.late = None
            raise Stopped(late)


@contextmanager
def no_signals() -> Iterator[None]:
    """Let nothing interrupt the block; it must be short."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
