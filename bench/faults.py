"""Payments while things break: a web process is killed, the database ends its sessions, Redis stands still.

Balance payments arrive at a steady rate. A request whose connection breaks has no answer; afterwards it is asked
again, as a merchant would. Whatever happened, every order is paid exactly once in the end, and the books agree.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.generator import Refused, request
from bench.paths import PAY, PAY_TARGET
from bench.seed import PAYERS, Shop, make_orders, order_number
from bench.servers import Platform

CONNECTIONS: Final = 32
SECONDS: Final = 30.0
EVERY_S: Final = 9.0
"""Between faults. The web server gives up when one of its processes dies twice within a few seconds."""
_PATIENCE_S: Final = 15.0
_AGAIN: Final = 60.0


@dataclass
class Outcome:
    """What came of all payments. Latencies in milliseconds, from the moment each was due, of those answered 200."""

    asked: int = 0
    answered: int = 0
    refused: int = 0
    """429 or 503: nothing is known to have happened."""
    broken: int = 0
    """The connection broke before the answer."""
    asked_again: int = 0
    paid: int = 0
    paid_once: bool = False
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Tell whether every order is paid, each by one payment."""
        return self.paid == self.asked and self.paid_once


@dataclass
class _Client:
    socket: socket.socket
    number: int = -1
    due: float = 0.0
    buffer: bytes = b""


class _Crowd:
    """Connections that survive their server: one that breaks is opened anew."""

    def __init__(self, port: int, text: str) -> None:
        self._port, self._text = port, text.encode("latin-1")
        self._waiting = selectors.DefaultSelector()
        self._free: deque[_Client] = deque()
        self.latencies: list[float] = []
        self.again: list[int] = []
        self.refused = self.broken = self.busy = 0
        for _ in range(CONNECTIONS):
            self._connect()

    def _connect(self) -> None:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                made = socket.create_connection(("127.0.0.1", self._port), 5)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
                continue
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = _Client(made)
            self._waiting.register(made, selectors.EVENT_READ, client)
            self._free.append(client)
            return

    def ask(self, number: int, due: float) -> bool:
        """Ask for one payment; False when no connection is free."""
        if not self._free:
            return False
        client = self._free.popleft()
        client.number, client.due, client.buffer = number, due, b""
        self.busy += 1
        try:
            client.socket.sendall(self._text % {b"n": number, b"p": number % PAYERS})
        except OSError:
            self._lose(client)
        return True

    def listen(self, seconds: float) -> None:
        """Take in the answers that come within this time. Raises Refused for one that must not be."""
        for key, _ in self._waiting.select(seconds):
            self._take(key.data)

    def _take(self, client: _Client) -> None:
        try:
            part = client.socket.recv(65536)
        except OSError:
            part = b""
        if not part:
            self._lose(client)
            return
        client.buffer += part
        head, found, rest = client.buffer.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"\r\ncontent-length: ")
        if not found or len(rest) < int(length.split(b"\r\n")[0]):
            return
        status = head[9:12]
        if status == b"200":
            self.latencies.append((time.perf_counter() - client.due) * 1000)
        elif status in {b"429", b"503"}:
            self.refused += 1
            self.again.append(client.number)
        elif status != b"409":  # asked again, and it was paid the first time
            raise Refused((head[:120] + rest[:400]).decode(errors="replace"))
        client.number = -1
        self.busy -= 1
        self._free.append(client)

    def _lose(self, client: _Client) -> None:
        self._waiting.unregister(client.socket)
        client.socket.close()
        if client.number >= 0:
            self.broken += 1
            self.busy -= 1
            self.again.append(client.number)
        elif client in self._free:
            self._free.remove(client)
        self._connect()

    def close(self) -> None:
        """Close every connection."""
        for key in list(self._waiting.get_map().values()):
            key.data.socket.close()
        self._waiting.close()


def suffer(running: Platform, shop: Shop, *, first: int, rate: int) -> Outcome:
    """Pay at this rate while things break, then ask again for what was not answered. Raises Refused."""
    outcome = Outcome(asked=round(rate * SECONDS))
    with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
        connection.execute("SET statement_timeout = 0")
        make_orders(connection, shop, first=first, count=outcome.asked)
    text = request(
        "POST", f"/api/v1/{PAY_TARGET}", port=running.port, secret=shop.secret_key, body=PAY
    )
    crowd, stop = _Crowd(running.port, text), threading.Event()
    breaking = threading.Thread(target=_break, args=(running, outcome.faults, stop))
    breaking.start()
    try:
        _drive(crowd, [*range(first, first + outcome.asked)], rate=rate)
        stop.set()
        breaking.join()
        outcome.answered, outcome.refused = len(crowd.latencies), crowd.refused
        outcome.broken = crowd.broken
        crowd.latencies.sort()
        outcome.p50_ms = crowd.latencies[len(crowd.latencies) // 2]
        outcome.p99_ms = crowd.latencies[len(crowd.latencies) * 99 // 100]
        end = time.monotonic() + _AGAIN
        while crowd.again and time.monotonic() < end:
            numbers, crowd.again = crowd.again, []
            outcome.asked_again += len(numbers)
            _drive(crowd, numbers, rate=rate)
    finally:
        stop.set()
        breaking.join()
        crowd.close()
    _count_paid(running, outcome, first=first)
    return outcome


def _drive(crowd: _Crowd, numbers: list[int], *, rate: int) -> None:
    began, at = time.perf_counter(), 0
    end = began + len(numbers) / rate + _PATIENCE_S * 2
    while (at < len(numbers) or crowd.busy) and time.perf_counter() < end:
        while at < len(numbers) and began + at / rate <= time.perf_counter():
            if not crowd.ask(numbers[at], began + at / rate):
                break
            at += 1
        crowd.listen(0.005)


def _break(running: Platform, told: list[str], stop: threading.Event) -> None:
    faults: list[tuple[str, Callable[[Platform], None]]] = [
        ("a web process is killed", _kill_web),
        ("the database ends every session", _end_sessions),
        ("Redis stands still for two seconds", _stop_redis),
    ]
    for name, fault in faults:
        if stop.wait(EVERY_S if told else EVERY_S / 3):
            return
        fault(running)
        told.append(name)


def _kill_web(running: Platform) -> None:
    os.kill(_children_of(running.web_pid)[0], signal.SIGKILL)


def _end_sessions(running: Platform) -> None:
    with psycopg.connect(running.admin_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def _stop_redis(running: Platform) -> None:
    os.kill(running.valkey_pid, signal.SIGSTOP)
    try:
        time.sleep(2)
    finally:
        os.kill(running.valkey_pid, signal.SIGCONT)


def _children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _count_paid(running: Platform, outcome: Outcome, *, first: int) -> None:
    ends = [order_number(first), order_number(first + outcome.asked - 1)]
    with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT count(*) FROM acquiring_trade_order WHERE order_no BETWEEN %s AND %s AND status = 'SUCCESS'",
            ends,
        ).fetchone()
        twice = connection.execute(
            "SELECT count(*) FROM engine_payment_order WHERE order_no BETWEEN %s AND %s AND status = 'PAID'"
            " GROUP BY order_no HAVING count(*) > 1",
            ends,
        ).fetchall()
    outcome.paid, outcome.paid_once = (row[0] if row else 0), not twice


def show(outcome: Outcome) -> str:
    """Write it for people."""
    return (
        f"{outcome.asked} payments while {', '.join(outcome.faults)}: {outcome.answered} answered"
        f" (p50 {outcome.p50_ms:.0f} ms, p99 {outcome.p99_ms:.0f} ms), {outcome.refused} refused,"
        f" {outcome.broken} broken off; {outcome.asked_again} asked again; {outcome.paid} orders paid,"
        f" {'none' if outcome.paid_once else 'some'} twice"
    )


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return it for a document."""
    return asdict(outcome)
