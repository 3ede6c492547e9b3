"""Receives webhooks with Python's standard library alone.

    WEBHOOK_SECRET=whsec_… python3 receiver.py 8787

While a secret is replaced, give both with a blank between.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 300
MOST_BYTES = 1024 * 1024


def verify(
    *, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float | None = None
) -> bool:
    """Tell whether the platform sent exactly these bytes within the last five minutes.

    ``headers`` have lower-case names; ``body`` are the bytes as they came, before any parsing.
    """
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    came = [part.encode() for part in headers.get("webhook-signature", "").split()]
    good = [
        b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
        for secret in secrets
    ]
    return any(hmac.compare_digest(one, other) for one in good for other in came)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


class Receiver(BaseHTTPRequestHandler):
    """Verify, remember, answer; act afterwards, and once for each id."""

    # In your shop this is a unique column, written in the same transaction as what the event makes you do.
    seen: set[str] = set()
    lock = threading.Lock()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not verify(secrets=os.environ["WEBHOOK_SECRET"].split(), headers=headers, body=body):
            self._answer(401)
            return
        event = json.loads(body)
        with self.lock:
            is_new = event["id"] not in self.seen
            self.seen.add(event["id"])
        if is_new and event["type"] == "order.success":
            # Compare order_no, amount and currency with your own order before you hand anything out. An order
            # that is paid stays paid, whatever older event arrives later.
            print("paid", event["data"]["merchant_order_no"], event["id"], flush=True)
        self._answer(204)  # also for what you do not know, and for what comes twice

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No log line for each request."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("listening", server.server_address[1], flush=True)
    server.serve_forever()
