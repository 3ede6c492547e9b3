"""The doorbell: wakes a worker after a commit. The due row is the truth; a lost ring costs a second, never money.

A thread of this process does the ringing, so that a slow or dead Redis never delays a request, and each job is
rung at most once per interval however many payments commit meanwhile.
"""

from __future__ import annotations

import os
import threading
from typing import Final

import structlog
from celery import current_app

from paymentplatform.kernel import metrics
from paymentplatform.kernel.transactions import after_commit

INTERVAL_S: Final = 0.05
EXPIRES_S: Final = 30

_log = structlog.get_logger(__name__)


class _Doorbell:
    """Remembers which jobs were asked for and sends one message for each, in a daemon thread."""

    def __init__(self) -> None:
        self._pid = 0
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._rung = threading.Event()

    def ring(self, task_name: str) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._rung = os.getpid(), threading.Event()
                threading.Thread(
                    target=self._work, args=(self._rung,), name="doorbell", daemon=True
                ).start()
            self._wanted.add(task_name)
        self._rung.set()

    def _work(self, rung: threading.Event) -> None:
        pause = threading.Event()
        while True:
            rung.wait()
            rung.clear()
            with self._lock:
                wanted, self._wanted = self._wanted, set()
            for task_name in wanted:
                try:
                    current_app.send_task(task_name, expires=EXPIRES_S, retry=False)
                    metrics.DOORBELL_RINGS.labels(task_name).inc()
                except Exception as error:  # noqa: BLE001 - the sweep by the clock does the work anyway
                    _log.warning("doorbell_failed", task=task_name, error=type(error).__name__)
            pause.wait(INTERVAL_S)


_doorbell = _Doorbell()


def ring(task_name: str) -> None:
    """Wake a worker for this registered task as soon as the present transaction has committed."""
    after_commit(lambda: _doorbell.ring(task_name))


def ring_now(task_name: str) -> None:
    """Wake a worker at once: for the hot path, whose statement has already committed."""
    _doorbell.ring(task_name)
