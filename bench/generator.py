"""The load: prepared requests over kept connections, by a few small processes that cost little themselves.

Run as a program it reads one JSON job from standard input and writes what it saw to standard output. Every life of
a connection sends its steps in turn; a step may use the number ``n`` of the life, its payer ``p``, the order ``o``
that the life's first answer named, and the words ``w0``, ``w1`` and so on of the life's line of a file. The first
answer that is not 2xx ends everything.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.seed import PAYERS
from deploy.local.paths import PYTHON, ROOT

CONNECTIONS_EACH: Final = 16
"""How many connections one process serves."""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_ORDER: Final = re.compile(rb'"order_no":"(ord_[0-9a-z]+)"')


class Refused(RuntimeError):
    """An answer was not 2xx, so that nothing of the run counts."""


@dataclass(frozen=True)
class Job:
    """What one process does. ``steps`` are whole requests in latin-1, with ``%(n)022d`` and the like to fill in."""

    port: int
    connections: int
    seconds: float
    first: int
    count: int
    steps: list[str]
    words: str = ""
    """A file; life n has the line n minus ``words_from``, modulo the number of lines."""
    words_from: int = 0


@dataclass(frozen=True)
class Load:
    """What came back: finished lives, over how many seconds, how long each took, and what asking cost."""

    lives: int
    seconds: float
    cpu_s: float
    latencies_ms: list[float]

    @property
    def tps(self) -> float:
        """Finished lives a second."""
        return self.lives / self.seconds


def request(
    method: str,
    target: str,
    *,
    port: int,
    secret: str | None = None,
    body: str | None = None,
    headers: tuple[str, ...] = (),
) -> str:
    """Write one request down. Its filled-in parts have a fixed width, so the length is known beforehand."""
    head = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers]
    if secret is not None:
        head.append(f"Authorization: Bearer {secret}")
    if body is not None:
        filled = body.encode() % {b"n": 0, b"p": 0, b"o": b"ord_" + b"0" * 22}
        head += ["Content-Type: application/json", f"Content-Length: {len(filled)}"]
    return "\r\n".join([*head, "", body or ""])


def generate(job: Job) -> Load:
    """Split a job among processes, run them together and add up. Raises Refused."""
    processes = max(1, job.connections // CONNECTIONS_EACH)
    share = job.count // processes
    parts = [
        Job(
            job.port,
            job.connections // processes,
            job.seconds,
            job.first + index * share,
            share,
            job.steps,
            job.words,
            job.words_from,
        )
        for index in range(processes)
    ]
    running = [
        subprocess.Popen(
            [str(PYTHON), "-m", "bench.generator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in parts
    ]
    for process, part in zip(running, parts, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(part)).encode())
        process.stdin.close()
    seen = [Load(**json.loads(_output_of(process))) for process in running]
    return Load(
        lives=sum(load.lives for load in seen),
        seconds=max(load.seconds for load in seen),
        cpu_s=sum(load.cpu_s for load in seen),
        latencies_ms=[value for load in seen for value in load.latencies_ms],
    )


def _output_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    output = process.stdout.read()
    if process.wait() != 0:
        raise Refused(output.decode(errors="replace"))
    return output


class _Client:
    """One kept connection that goes through its steps again and again."""

    def __init__(self, job: Job, steps: list[bytes], words: list[list[bytes]]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", job.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._steps = steps
        self._words, self._words_from = words, job.words_from
        self._values: dict[bytes, int | bytes] = {}
        self._buffer = b""
        self._step = 0
        self.began = 0.0

    def begin(self, number: int) -> None:
        """Start the life with this number."""
        self._values = {b"n": number, b"p": number % PAYERS, b"o": b""}
        if self._words:
            line = self._words[(number - self._words_from) % len(self._words)]
            self._values |= {b"w%d" % at: word for at, word in enumerate(line)}
        self._step = 0
        self.began = time.perf_counter()
        self._send()

    def _send(self) -> None:
        self.socket.sendall(self._steps[self._step] % self._values)

    def has_finished(self) -> bool:
        """Take in what has arrived and go on; True when the life's last answer is complete."""
        self._buffer += self.socket.recv(65536)
        head, found, rest = self._buffer.partition(_HEAD_END)
        if not found:
            return False
        length = _LENGTH.search(head)
        if length is None or len(rest) < int(length[1]):
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise Refused((head[:120] + rest[:400]).decode(errors="replace"))
        self._buffer = b""
        self._step += 1
        if self._step == len(self._steps):
            return True
        if self._step == 1 and (order := _ORDER.search(rest)) is not None:
            self._values[b"o"] = order[1]
        self._send()
        return False


def run(job: Job) -> Load:
    """Keep every connection busy until the time is up, then let the lives that have begun end."""
    steps = [step.encode("latin-1") for step in job.steps]
    waiting = selectors.DefaultSelector()
    words = (
        [line.split() for line in Path(job.words).read_bytes().splitlines()] if job.words else []
    )
    clients = [_Client(job, steps, words) for _ in range(job.connections)]
    for client in clients:
        waiting.register(client.socket, selectors.EVENT_READ, client)
    try:
        return _drive(job, clients, waiting)
    finally:
        waiting.close()
        for client in clients:
            client.socket.close()


def _drive(job: Job, clients: list[_Client], waiting: selectors.BaseSelector) -> Load:
    number, last = job.first, job.first + job.count
    latencies: list[float] = []
    began = time.perf_counter()
    end, busy = began + job.seconds, 0
    for client in clients:
        client.begin(number)
        number, busy = number + 1, busy + 1
    while busy:
        for key, _ in waiting.select(30):
            client = key.data
            if not client.has_finished():
                continue
            now = time.perf_counter()
            latencies.append((now - client.began) * 1000)
            if now < end and number < last:
                client.begin(number)
                number += 1
            else:
                busy -= 1
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Load(len(latencies), seconds, used.ru_utime + used.ru_stime, latencies)


def main() -> int:
    """Do the job on standard input."""
    try:
        load = run(Job(**json.loads(sys.stdin.buffer.read())))
    except Refused as refused:
        print(refused)
        return 1
    print(json.dumps(asdict(load)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
