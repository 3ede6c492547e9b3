"""An institution that answers with exactly the bytes a test wants, as slowly as it wants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from engine.channels.base import STANDARD_TIME_LIMITS, TimeLimits
from engine.channels.sandbox import codec
from engine.channels.sandbox.adapter import SandboxChannel

Script = Callable[[socket.socket, str, bytes], None]
"""Given the connection, the request's signature and its body."""

KEY = "a key of the test"


class HostileInstitution:
    """Reads each request whole, then plays the script and hangs up."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def channel(self, time_limits: TimeLimits = STANDARD_TIME_LIMITS) -> SandboxChannel:
        """An adapter that talks to it."""
        return SandboxChannel(
            code="sandbox", signing_key=KEY, api_url=self.url, time_limits=time_limits
        )

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with connection:
            text = b""
            while b"\r\n\r\n" not in text:
                text += connection.recv(65536)
            head, _, body = text.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
            while len(body) < int(fields.get("content-length", 0)):
                body += connection.recv(65536)
            try:
                self.script(connection, fields["sandbox-signature"], body)
            except OSError:
                return


def signed_reply(signature: str, body: bytes, *, status: int = 200, key: str = KEY) -> bytes:
    """Write a whole HTTP answer, signed with this secret for the request of this signature."""
    headers = codec.sign_response(
        key=codec.derive_key(secret=key, channel="sandbox", purpose=codec.Purpose.RESPONSE),
        account=codec.ACCOUNTS["sandbox"],
        request_signature=signature,
        status=status,
        body=body,
    )
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drip(connection: socket.socket, reply: bytes, *, every_s: float) -> None:
    """Send byte by byte."""
    for number in range(len(reply)):
        connection.sendall(reply[number : number + 1])
        time.sleep(every_s)
