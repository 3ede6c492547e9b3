"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotInTime(AssertionError):
    """Something did not happen, or not fast enough: the machine was busy, or it never would have.

    A whole run looks once more at a test that failed with it (``tests.second_look``), so it never says that
    something is wrong, only that something is not there yet.
    """


def wait_until(
    predicate: Callable[[], T], timeout_s: float = 60.0, *, what: str = "", every_s: float = 0.05
) -> T:
    """Return the first true value of ``predicate``; NotInTime with its last one when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            message = f"waited {timeout_s} s for {what or predicate!r}; last seen: {value!r}"
            raise NotInTime(message)
        time.sleep(every_s)
