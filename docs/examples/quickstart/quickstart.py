"""One purchase from its creation to a refund, with the Python client (pip install ./sdk/python).

BASE_URL, SECRET_KEY, WEBHOOK_SECRET and PAYER_TOKEN come from the environment; the demo's stand in .run/demo.json.
"""

from __future__ import annotations

import os
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

from paymentplatform_client import Client, Event, Method, WebhookRefused, verify_webhook

paid: Queue[Event] = Queue()


class Webhooks(BaseHTTPRequestHandler):
    """Takes in what the platform tells: verify, then act once for each id, then answer 2xx."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = verify_webhook(
                secrets=os.environ["WEBHOOK_SECRET"], headers=self.headers, body=body
            )
        except WebhookRefused:
            self.send_error(401)
            return
        if event.type == "order.success":
            paid.put(event)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing for each request."""


server = HTTPServer(("127.0.0.1", 0), Webhooks)
threading.Thread(target=server.serve_forever, daemon=True).start()

with Client(base_url=os.environ["BASE_URL"], secret_key=os.environ["SECRET_KEY"]) as client:
    # 1. Write your own number down first: with it everything can be repeated.
    number = f"TEA-{secrets.token_hex(6)}"
    order = client.create_order(
        merchant_order_no=number,
        amount=1280,
        currency="CNY",
        subject="Green tea",
        notify_url=f"http://127.0.0.1:{server.server_port}/",
    )
    print("created", order.order_no, order.cashier_url)

    # 2. Send the customer to order.cashier_url; or, with his agreement, pay by yourself.
    client.pay_order(
        order.order_no,
        method=Method.BALANCE,
        options={"payer_token": os.environ["PAYER_TOKEN"]},
    )

    # 3. The webhook tells. Compare number, amount and currency before you hand out the goods.
    event = paid.get(timeout=20)
    assert (event.order.merchant_order_no, event.order.amount) == (number, 1280)
    print("webhook", event.type, event.order.merchant_order_no)

    # 4. Asking gives the same answer, whenever you are not sure.
    order = client.get_order(order.order_no)
    print("asked", order.status)

    # 5. Money back, in part, under a number of your own.
    refund = client.create_refund(
        order_no=order.order_no, merchant_refund_no=f"{number}-R1", amount=280
    )
    print("refund", refund.status, refund.amount)
server.shutdown()
