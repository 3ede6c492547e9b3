"""Paying from the balance, server to server."""

from __future__ import annotations

from tests.live import LivePlatform
from tests.makers import order_body


def test_a_balance_payment_goes_from_order_to_webhook(platform: LivePlatform):
    merchant, payer_no = platform.merchant(), platform.payer(balance=50_00)
    token = merchant.payer_token(payer_no)
    created = merchant.api.post(
        "orders", json=order_body(amount=10_00, notify_url=merchant.notify_url)
    )
    assert created.status_code == 201, created.text
    order_no = created.json()["order_no"]

    paid = merchant.api.post(
        f"orders/{order_no}/pay", json={"method": "BALANCE", "options": {"payer_token": token}}
    )

    assert paid.status_code == 200, paid.text
    assert paid.json()["status"] == "PAID"
    order = merchant.order(order_no)
    assert order["status"] == "SUCCESS"
    event = merchant.wait_for_webhook("order.success")
    assert event["data"] == order
