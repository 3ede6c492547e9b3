"""Works off what the book says is due: notifications with retries, forged ones, and charges after a close.

The table is the truth: a process that died after a charge notifies when it is started again.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.book import Book, Row

LADDER_S: Final = (1, 2, 4, 8, 15, 30, 60, 300, 600)
"""Seconds after each try that nobody acknowledged; the last is repeated."""
GIVE_UP_AFTER_S: Final = 86_400
NOTIFY_TIMEOUT_S: Final = 5.0
ACKNOWLEDGED: Final = b"success"
_THREADS: Final = 8


class Outbox:
    """One dispatcher thread and a few senders, so that a slow receiver does not hold up the others."""

    def __init__(self, *, book: Book, secret: str, ladder_s: Sequence[float] = LADDER_S) -> None:
        self._book = book
        self._ladder_s = ladder_s
        self._secret = secret
        self._acquirers: dict[str, Acquirer] = {}
        self._condition = threading.Condition()
        self._news = True
        self._stopped = False
        self._under_way: set[int] = set()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="outbox")
        self._thread = threading.Thread(target=self._dispatch, daemon=True)

    def start(self, acquirers: dict[str, Acquirer]) -> None:
        """Begin with whatever is due in the book."""
        self._acquirers = acquirers
        self._thread.start()

    def wake(self) -> None:
        """Say that the book may hold new work."""
        with self._condition:
            self._news = True
            self._condition.notify()

    def stop(self) -> None:
        """Start nothing new and wait for what is under way."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        self._thread.join(timeout=10)
        self._pool.shutdown(wait=True)

    def _dispatch(self) -> None:
        while not self._stopped:
            self._news = False
            wait_s = 1.0
            for row in self._book.rows(
                "SELECT * FROM outbox WHERE done_at IS NULL AND due_at < ? ORDER BY due_at LIMIT 200",
                time.time() + 1.0,
            ):
                if row["id"] in self._under_way:
                    continue
                if row["due_at"] > time.time():
                    wait_s = min(wait_s, row["due_at"] - time.time())
                    continue
                self._under_way.add(row["id"])
                self._pool.submit(self._work_off, row)
            with self._condition:
                if not self._news and not self._stopped:
                    self._condition.wait(timeout=max(wait_s, 0.001))

    def _work_off(self, row: Row) -> None:
        try:
            if row["kind"] == "CHARGE":
                with self._book.write() as turn:
                    self._acquirers[row["channel"]].charge_late(turn, row["request_no"])
                    turn.execute(
                        "UPDATE outbox SET done_at = ?, result = 'charged' WHERE id = ?",
                        (time.time(), row["id"]),
                    )
            else:
                self._write_result(row, self._post(row))
        finally:
            self._under_way.discard(row["id"])
            self.wake()

    def _write_result(self, row: Row, result: str) -> None:
        now = time.time()
        tries = row["tries"] + 1
        is_done = result == "acknowledged" or row["kind"] == "FORGE"
        is_done = is_done or now - row["first_due_at"] > GIVE_UP_AFTER_S
        due_at = now + self._ladder_s[min(tries, len(self._ladder_s)) - 1]
        with self._book.write() as turn:
            turn.execute(
                "UPDATE outbox SET tries = ?, result = ?, due_at = ?, done_at = ? WHERE id = ?",
                (tries, result, due_at, now if is_done else None, row["id"]),
            )

    def _post(self, row: Row) -> str:
        secret = self._secret if row["kind"] == "NOTIFY" else "somebody else's"
        headers = codec.sign_notification(
            key=codec.derive_key(
                secret=secret, channel=row["channel"], purpose=codec.Purpose.NOTIFICATION
            ),
            account=codec.ACCOUNTS[row["channel"]],
            body=row["body"],
        )
        try:
            status, body = _send(row["url"], headers, row["body"])
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__
        return "acknowledged" if status == 200 and body.strip() == ACKNOWLEDGED else f"{status}"


def _send(url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connect: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection
    if parts.scheme == "https":
        connect = http.client.HTTPSConnection
    connection = connect(parts.hostname or "", parts.port, timeout=NOTIFY_TIMEOUT_S)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST", path or "/", body=body, headers=headers | {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response.status, response.read(1024)
    finally:
        connection.close()
