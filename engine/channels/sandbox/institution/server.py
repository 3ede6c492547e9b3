"""A door: one listening address whose connections can be refused for real, and taken again.

Built on the standard library's HTTP request parser, a thread per connection: hundreds may wait at once. A
door that refuses keeps its port (bound, not listening), so the kernel itself answers with a reset.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

MAX_BODY_BYTES: Final = 262_144
_IDLE_S: Final = 75


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole. ``path`` is the target as it was sent, with the query string."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    peer_is_gone: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``None`` in its place means: say nothing and hang up."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Answerer = Callable[[Request], Response | None]


class Door:
    """Listens on one address and hands every request to ``answer`` in a thread of its connection."""

    def __init__(self, *, host: str, port: int, answer: Answerer) -> None:
        self.answer = answer
        self._address = (host, port)
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._listener = self._bound_socket()
        self._is_open = False

    def open(self) -> None:
        """Take connections (again)."""
        with self._lock:
            if not self._is_open:
                self._listener.listen(1024)
                self._is_open = True
                threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """Cut every connection and have the kernel refuse new ones; the port stays ours."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            self._hang_up(self._listener)
            self._listener = self._bound_socket()
            for connection in self._live:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Refuse, and give the port back."""
        self.refuse()
        self._listener.close()

    def _bound_socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(100):
            with contextlib.suppress(OSError):
                bound.bind(self._address)
                return bound
            time.sleep(0.01)  # our own listener of a moment ago may still be on its way out
        bound.bind(self._address)
        return bound

    def _hang_up(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, client = listener.accept()
            except OSError:
                if listener.fileno() == -1 or not self._is_open:
                    return
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if listener is not self._listener:
                    connection.close()
                    return
                self._live.add(connection)
            threading.Thread(target=self._serve, args=(connection, client), daemon=True).start()

    def _serve(self, connection: socket.socket, client: Any) -> None:
        try:
            with contextlib.suppress(OSError):
                _Conversation(connection, client, self)  # type: ignore[arg-type]
        finally:
            with self._lock:
                self._live.discard(connection)
            connection.close()


class _Conversation(BaseHTTPRequestHandler):
    """The requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: Any

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep no access log: pages' addresses are secrets of their payers."""

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(Response(413, b"{}"))
            return
        request = Request(
            method=self.command,
            path=self.path,
            headers=dict(self.headers.items()),
            body=self.rfile.read(int(length)),
            client=str(self.client_address[0]),
            peer_is_gone=self._peer_is_gone,
        )
        response = self.server.answer(request)
        if response is None:
            self.close_connection = True
        else:
            self._send(response)

    def _send(self, response: Response) -> None:
        lines = [
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            f"Connection: {'close' if self.close_connection else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body)

    def _peer_is_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
