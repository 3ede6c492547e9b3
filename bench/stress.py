"""More than the platform can do: arrivals at rates of their own, whatever the answers do.

A closed loop asks no faster than it is answered and so hides what a crowd would feel. Here every request has its time
and is late from then on, also while it waits for a connection. 429 and 503 are refusals and must say Retry-After;
anything else that is not 2xx ends the run. Afterwards every payment that was answered 200 must be in the books.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import psycopg

from bench.generator import Refused, request
from bench.paths import PAY, PAY_TARGET
from bench.seed import PAYERS, Shop, make_orders, order_number
from bench.servers import Platform

CONNECTIONS: Final = 400
GIVE_UP_S: Final = 20.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Step:
    """What came of one rate; times in milliseconds from the moment a request was due."""

    rate: int
    asked: int = 0
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    refusal_p99_ms: float = 0.0
    paid: int = 0
    """Of the accepted, how many the database knows as paid: all, or money was promised and not moved."""


@dataclass
class _Client:
    socket: socket.socket
    buffer: bytes = b""
    due: float = 0.0
    number: int = 0


@dataclass
class Run:
    """The answers of one rate."""

    answered_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    paid_numbers: list[int] = field(default_factory=list)


def climb(
    running: Platform, shop: Shop, *, first: int, rates: list[int], seconds: float
) -> list[Step]:
    """Go through the rates, each for so long, and check after each that all that was accepted is paid."""
    steps = []
    for rate in rates:
        count = round(rate * seconds)
        with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
            connection.execute("SET statement_timeout = 0")
            make_orders(connection, shop, first=first, count=count)
        step, run = press(running.port, shop, first=first, count=count, rate=rate)
        with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
            found = connection.execute(
                "SELECT count(*) FROM acquiring_trade_order WHERE order_no = ANY (%s) AND status = 'SUCCESS'",
                [[order_number(number) for number in run.paid_numbers]],
            ).fetchone()
        step.paid = found[0] if found else 0
        steps.append(step)
        first += count
    return steps


def press(
    port: int, shop: Shop, *, first: int, count: int, rate: int, connections: int = CONNECTIONS
) -> tuple[Step, Run]:
    """Ask so many payments at this rate and wait for what is still to come. Raises Refused."""
    text = request("POST", f"/api/v1/{PAY_TARGET}", port=port, secret=shop.secret_key, body=PAY)
    clients = [
        _Client(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(connections)
    ]
    waiting = selectors.DefaultSelector()
    for client in clients:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(client.socket, selectors.EVENT_READ, client)
    run, step = Run(), Step(rate=rate, asked=count)
    try:
        _drive(clients, waiting, text.encode("latin-1"), run, first=first, count=count, rate=rate)
    finally:
        waiting.close()
        for client in clients:
            client.socket.close()
    step.accepted, step.refused = len(run.answered_ms), len(run.refused_ms)
    step.unanswered = count - step.accepted - step.refused
    step.p50_ms, step.p99_ms = _quantile(run.answered_ms, 50), _quantile(run.answered_ms, 99)
    step.refusal_p99_ms = _quantile(run.refused_ms, 99)
    return step, run


def _drive(
    clients: list[_Client],
    waiting: selectors.BaseSelector,
    step: bytes,
    run: Run,
    *,
    first: int,
    count: int,
    rate: int,
) -> None:
    free, late = deque(clients), deque[tuple[int, float]]()
    began, asked, busy = time.perf_counter(), 0, 0
    end = began + count / rate + GIVE_UP_S
    while (asked < count or late or busy) and time.perf_counter() < end:
        now = time.perf_counter()
        while asked < count and began + asked / rate <= now:
            late.append((first + asked, began + asked / rate))
            asked += 1
        while late and free:
            client = free.popleft()
            client.number, client.due = late.popleft()
            client.socket.sendall(step % {b"n": client.number, b"p": client.number % PAYERS})
            busy += 1
        for key, _ in waiting.select(min(0.05, 1 / rate)):
            if _take_answer(key.data, run):
                free.append(key.data)
                busy -= 1


def _take_answer(client: _Client, run: Run) -> bool:
    """Read what has come; True when the answer is whole."""
    client.buffer += client.socket.recv(65536)
    head, found, rest = client.buffer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head) if found else None
    if length is None or len(rest) < int(length[1]):
        return False
    took_ms = (time.perf_counter() - client.due) * 1000
    status = head[9:12]
    if status == b"200":
        run.answered_ms.append(took_ms)
        run.paid_numbers.append(client.number)
    elif status in {b"429", b"503"} and b"retry-after:" in head.lower():
        run.refused_ms.append(took_ms)
    else:
        raise Refused((head[:120] + rest[:400]).decode(errors="replace"))
    client.buffer = b""
    return True


def _quantile(values: list[float], percent: int) -> float:
    values.sort()
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else 0.0


def table(steps: list[Step]) -> str:
    """Write the steps for people."""
    form = "{:>7} {:>8} {:>9} {:>8} {:>10} {:>8} {:>8} {:>12} {:>8}"
    names = (
        "rate/s",
        "asked",
        "accepted",
        "refused",
        "no answer",
        "p50 ms",
        "p99 ms",
        "refusal p99",
        "paid",
    )
    lines = [form.format(*names)]
    for step in steps:
        values = [*list(asdict(step).values())[:5], f"{step.p50_ms:.0f}", f"{step.p99_ms:.0f}"]
        lines.append(form.format(*values, f"{step.refusal_p99_ms:.0f}", step.paid))
    return "\n".join(lines)


def is_whole(steps: list[Step]) -> bool:
    """Tell whether everything that was accepted is paid and nothing went without an answer."""
    return all(step.paid == step.accepted and step.unanswered == 0 for step in steps)


def as_json(steps: list[Step]) -> list[dict[str, Any]]:
    """Return the steps for a document."""
    return [asdict(step) for step in steps]
