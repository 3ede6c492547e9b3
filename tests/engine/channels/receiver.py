"""A platform's callback address, reduced to what the institution sees of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from engine.channels.base import Channel, Notification, NotificationRefused
from tests.listening import PatientServer


@dataclass(frozen=True)
class Received:
    """One callback as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    def read_by(self, channel: Channel) -> Notification | None:
        """Let the adapter verify and read it; None when it refuses."""
        try:
            return channel.parse_notification(headers=self.headers, body=self.body)
        except NotificationRefused:
            return None


class Receiver:
    """Records every callback; acknowledges while ``acknowledges`` is true, answers 500 otherwise."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[Received] = []
        self.acknowledges = True
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(self.path, dict(self.headers.items()), body))
                answer = b"success" if receiver.acknowledges else b"fail"
                self.send_response(200 if receiver.acknowledges else 500)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = PatientServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def about(self, request_no: str) -> list[Received]:
        """The callbacks that mention this request."""
        return [news for news in list(self.received) if request_no.encode() in news.body]

    def close(self) -> None:
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()
