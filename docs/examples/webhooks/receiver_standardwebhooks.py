"""Receives webhooks with the public library of Standard Webhooks (``pip install standardwebhooks``).

WEBHOOK_SECRET=whsec_… python3 receiver_standardwebhooks.py 8787
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

SEEN: set[str] = set()  # in your shop: a unique column, as in receiver.py


class Receiver(BaseHTTPRequestHandler):
    """The library checks signature and time; acting once for each id is yours."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            # ValueError: a signature that has not even the form of one
            self._answer(401)
            return
        if event["id"] not in SEEN and event["type"] == "order.success":
            print("paid", event["data"]["merchant_order_no"], event["id"], flush=True)
        SEEN.add(event["id"])
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No log line for each request."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("listening", server.server_address[1], flush=True)
    server.serve_forever()
