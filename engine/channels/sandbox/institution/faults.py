"""Faults of the API's door, set by hand or by a test; the pages and the control endpoints never feel them."""

from __future__ import annotations

import threading
import time
from typing import Final

from engine.channels.sandbox.institution.server import Answerer, Door, Request, Response

MODES: Final = ("up", "refuse", "black_hole", "slow")
DEFAULT_SECONDS: Final = 30.0
SLOW_ANSWER_S: Final = 4.0
"""A slow institution still answers within the platform's time limits."""


class Faults:
    """The present fault. A fault ends by itself; a restarted institution has none."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._mode = "up"
        self._timer: threading.Timer | None = None
        self._door: Door | None = None

    @property
    def mode(self) -> str:
        """The fault in force now."""
        return self._mode

    def guard(self, door: Door) -> None:
        """Let ``refuse`` apply to this door."""
        self._door = door

    def set(self, *, mode: str, seconds: float) -> None:
        """Put a fault in force for so many seconds; ``up`` ends the present one."""
        with self._changed:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._mode = mode
            if self._door is not None:
                if mode == "refuse":
                    self._door.refuse()
                else:
                    self._door.open()
            if mode != "up":
                timer = threading.Timer(seconds, lambda: self._end(timer))
                timer.daemon = True
                timer.start()
                self._timer = timer
            self._changed.notify_all()

    def _end(self, timer: threading.Timer) -> None:
        with self._changed:
            is_current = self._timer is timer
        if is_current:
            self.set(mode="up", seconds=0)

    def wrap(self, answer: Answerer) -> Answerer:
        """Return an answerer that swallows or delays requests while the fault says so."""

        def answer_faultily(request: Request) -> Response | None:
            if self._mode == "black_hole":
                self._swallow(request)
                return None
            response = answer(request)
            if self._mode == "slow":
                time.sleep(SLOW_ANSWER_S)
            return response

        return answer_faultily

    def _swallow(self, request: Request) -> None:
        with self._changed:
            while self._mode == "black_hole" and not request.peer_is_gone():
                self._changed.wait(timeout=0.5)
