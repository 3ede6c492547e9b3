"""Orders that end unpaid: closed by the merchant, closed by the clock, and money that comes too late."""

from __future__ import annotations

from tests.live import LivePlatform
from tests.waiting import wait_until


def test_closing_an_unpaid_order(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create()["order_no"]

    first = merchant.api.post(f"orders/{order_no}/close")
    again = merchant.api.post(f"orders/{order_no}/close", json={})

    assert (first.status_code, again.status_code) == (200, 200)
    order = first.json()
    assert (order["status"], order["close_reason"]) == ("CLOSED", "MERCHANT")
    assert again.json() == order
    assert merchant.wait_for_webhook("order.closed")["data"] == order
    refused = merchant.try_pay(order_no)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_closed")
    assert platform.charges(order_no) == []


def test_closing_an_order_with_a_live_payment_closes_it_at_the_institution(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create()["order_no"]
    paying = merchant.pay(order_no)

    closed = merchant.api.post(f"orders/{order_no}/close")

    assert closed.status_code == 200, closed.text
    assert closed.json()["status"] == "CLOSED"
    assert closed.json()["payment"]["payment_no"] == paying["payment_no"]
    assert closed.json()["payment"]["status"] == "FAILED"
    assert platform.charges(order_no) == ["CLOSED"]
    assert merchant.balance() == 0


def test_a_paid_order_cannot_be_closed(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create()["order_no"]
    platform.confirm(merchant.pay(order_no)["payment_no"])
    paid = merchant.wait_for_status(order_no, "SUCCESS")

    refused = merchant.api.post(f"orders/{order_no}/close")

    assert (refused.status_code, refused.json()["code"]) == (409, "order_already_paid")
    assert merchant.order(order_no) == paid


def test_orders_expire_by_the_clock_with_and_without_a_live_payment(platform: LivePlatform):
    merchant = platform.merchant()
    idle = merchant.create(expires_in=60)["order_no"]
    paying = merchant.create(expires_in=60)["order_no"]
    lasting = merchant.create(expires_in=3600)["order_no"]
    merchant.pay(paying)

    platform.clock.advance(61)

    for order_no in (idle, paying):
        order = merchant.wait_for_status(order_no, "CLOSED")
        assert order["close_reason"] == "EXPIRED"
        assert order["closed_at"] is not None
    assert platform.charges(paying) == ["CLOSED"]
    assert merchant.order(lasting)["status"] == "INIT"
    told = wait_until(
        lambda: (
            {body["data"]["order_no"] for body in merchant.events("order.closed")} == {idle, paying}
        )
    )
    assert told


def test_an_expired_order_is_refused_before_the_sweep_has_seen_it(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create(expires_in=60)["order_no"]
    platform.kill_worker()

    platform.clock.advance(61)

    assert merchant.order(order_no)["status"] == "INIT"
    refused = merchant.try_pay(order_no)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_closed")
    assert platform.charges(order_no) == []
