"""A TCP proxy before a server that can cut off exactly one reply: it comes from the server and goes no further."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_PATIENCE_S = 20.0


class CuttingProxy:
    """Passes on one request for each connection. ``cut_next`` makes it swallow the reply to the next one."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cutting = threading.Event()
        self.replies: list[bytes] = []
        """Every reply that the server gave, whole, whether passed on or not."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_next(self) -> None:
        """Swallow the next reply and close the connection."""
        self._cutting.set()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target, _PATIENCE_S) as server:
            client.settimeout(_PATIENCE_S)
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            reply = b""
            while not _is_whole(reply):
                data = server.recv(65_536)
                if not data:
                    return
                reply += data
            self.replies.append(reply)
            if self._cutting.is_set():
                self._cutting.clear()
            else:
                client.sendall(reply)
            client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            drain.sendall(data)


def _is_whole(reply: bytes) -> bool:
    """Tell whether a reply with a Content-Length has come to its end."""
    head, found, body = reply.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    raise AssertionError(f"a reply without its length: {head!r}")


@contextmanager
def cutting_proxy(target: str) -> Iterator[CuttingProxy]:
    """Stand before the server at this address."""
    proxy = CuttingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
