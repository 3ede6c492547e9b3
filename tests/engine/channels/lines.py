"""Bad lines between an adapter and whatever institution: they know no protocol, so they fit every adapter."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

Script = Callable[[socket.socket], None]


def _silent(connection: socket.socket) -> None:
    connection.settimeout(5)
    while connection.recv(65536):
        pass


def _hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def _drip(connection: socket.socket) -> None:
    connection.recv(65536)
    for byte in (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
        + (b"{" * 999)
    ):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def _junk(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x00\xff\x13 not a word of HTTP\r\n\r\n")


def _empty_page(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _server_error(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n<html>...")


def _endless(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


LINES: dict[str, Script] = {
    "silent": _silent,
    "hangs_up": _hang_up,
    "drips": _drip,
    "junk": _junk,
    "empty_page": _empty_page,
    "server_error": _server_error,
    "endless": _endless,
}


@contextmanager
def bad_line(script: Script) -> Iterator[str]:
    """Serve connections by this script; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def play(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            script(connection)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=play, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def refused_line() -> Iterator[str]:
    """An address that is bound by us and listens to nobody."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


@contextmanager
def changing_line(api_url: str, change: Callable[[bytes], bytes]) -> Iterator[str]:
    """Pass requests on to the institution and change the body of its answers."""
    parts = urlsplit(api_url)

    def relay(connection: socket.socket) -> None:
        request = _read_message(connection)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as upstream:
            upstream.sendall(request)
            head, _, body = _read_message(upstream).partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n" + change(body))

    with bad_line(relay) as url:
        yield url


def _read_message(connection: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        text += _more(connection)
    head, _, body = text.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", 0)):
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise OSError("hung up")
    return chunk
