"""A merchant's server for tests: real HTTP over loopback, scripted answers, every request kept.

    with WebhookReceiver() as receiver:
        receiver.script("/shop", Answer(status=500), Answer(retry_after="60", status=429), Answer())
        … send to receiver.url("/shop") …
        assert receiver.list_requests("/shop")[0].headers["webhook-id"]

The last scripted answer of a path repeats for ever; a path without a script answers 200.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from standardwebhooks import Webhook

from tests.listening import PatientServer


@dataclass(frozen=True)
class Answer:
    """One scripted answer. The misbehaviours may be combined with a status where that makes sense."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    retry_after: str | None = None
    redirect_to: str | None = None
    wait_s: float = 0.0
    """Answers only after so long."""
    never: bool = False
    """Takes the request and says nothing until the client has gone."""
    drip_s: float | None = None
    """Sends one byte, waits so long, sends the next …: status line first."""
    drip_body_s: float | None = None
    """Sends the head at once, then its body one byte at a time."""
    huge_bytes: int = 0
    """Sends so many bytes of body."""
    raw: bytes | None = None
    """Sends exactly this instead of HTTP and hangs up."""
    hang_up: bool = False
    """Reads the request and closes without a word."""


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def verify(self, secret: str) -> Any:
        """Verify like a merchant would, with the public library; returns the decoded body."""
        return Webhook(secret).verify(self.body, self.headers)


class WebhookReceiver:
    """Listens on a free port of 127.0.0.1 until the block ends."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[Received] = []
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self._stopping = threading.Event()
        self.bytes_sent = 0
        self._server = PatientServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        """The address of a path here, by plain http."""
        return f"http://127.0.0.1:{self.port}{path}"

    def script(self, path: str, *answers: Answer) -> None:
        """Say what this path answers, one after the other; the last one repeats."""
        with self._lock:
            self._scripts[path] = list(answers)

    def list_requests(self, path: str | None = None) -> list[Received]:
        """What came in so far, in order."""
        with self._lock:
            return [r for r in self._requests if path is None or r.path == path]

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, received: Received) -> Answer:
        with self._lock:
            self._requests.append(received)
            script = self._scripts[received.path]
            if not script:
                return Answer()
            return script.pop(0) if len(script) > 1 else script[0]

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = receiver._take(
                    Received(self.command, self.path, headers, body, time.time())
                )
                self.close_connection = True
                receiver._answer(self, answer)

            def log_message(self, *_: Any) -> None:
                """Keep the test output clean."""

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.never:
            self._stopping.wait(60)
            return
        if answer.wait_s and self._stopping.wait(answer.wait_s):
            return
        if answer.hang_up:
            return
        if answer.raw is not None:
            handler.wfile.write(answer.raw)
            return
        head = self._head(answer)
        if answer.drip_s is not None:
            self._drip(handler, head + answer.body, answer.drip_s)
            return
        handler.wfile.write(head)
        if answer.drip_body_s is not None:
            self._drip(handler, answer.body, answer.drip_body_s)
        elif answer.huge_bytes:
            self._pour(handler, answer.huge_bytes)
        else:
            handler.wfile.write(answer.body)

    def _head(self, answer: Answer) -> bytes:
        headers = {"content-length": str(answer.huge_bytes or len(answer.body)), **answer.headers}
        if answer.retry_after is not None:
            headers["retry-after"] = answer.retry_after
        if answer.redirect_to is not None:
            headers["location"] = answer.redirect_to
        lines = [f"HTTP/1.1 {answer.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def _drip(self, handler: BaseHTTPRequestHandler, content: bytes, pause_s: float) -> None:
        for position in range(len(content)):
            handler.wfile.write(content[position : position + 1])
            if self._stopping.wait(pause_s):
                return

    def _pour(self, handler: BaseHTTPRequestHandler, size: int) -> None:
        chunk = b"x" * 65536
        while size > 0 and not self._stopping.is_set():
            handler.wfile.write(chunk[:size])
            self.bytes_sent += len(chunk[:size])
            size -= len(chunk)
