"""Paying from the balance, server to server."""

from __future__ import annotations

import pytest

from tests.live import LivePlatform


def test_a_balance_payment_goes_from_order_to_webhook(platform: LivePlatform):
    merchant, payer_no = platform.merchant(fee_rate_ppm=6_000), platform.payer(balance=50_00)
    order_no = merchant.create(amount=10_00)["order_no"]

    paid = merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(payer_no))

    assert paid["status"] == "PAID"
    assert paid["action"] == {"type": "none"}
    order = merchant.order(order_no)
    assert (order["status"], order["payment"]["status"]) == ("SUCCESS", "PAID")
    assert order["payment"]["payment_no"] == paid["payment_no"]
    assert order["paid_at"] is not None
    assert platform.balance(f"L10:{payer_no}:CNY") == 40_00
    assert merchant.balance() == 10_00 - 6
    event = merchant.wait_for_webhook("order.success")
    assert event["data"] == order
    (webhook,) = merchant.webhooks()
    assert webhook.headers["webhook-id"] == event["id"]
    assert platform.charges(order_no) == []


def test_too_little_money_fails_the_payment_and_leaves_the_order_open(platform: LivePlatform):
    merchant, poor, rich = platform.merchant(), platform.payer(balance=9_99), platform.payer()
    order_no = merchant.create(amount=10_00)["order_no"]

    paid = merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(poor))

    assert (paid["status"], paid["failure_code"]) == ("FAILED", "insufficient_balance")
    order = merchant.order(order_no)
    assert (order["status"], order["payment"]["status"]) == ("INIT", "FAILED")
    assert platform.balance(f"L10:{poor}:CNY") == 9_99
    assert merchant.balance() == 0

    merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(rich))
    assert merchant.order(order_no)["status"] == "SUCCESS"


def test_the_last_failed_try_fails_the_order_and_tells_the_merchant(platform: LivePlatform):
    merchant, poor = platform.merchant(max_tries=2), platform.payer(balance=0)
    token = merchant.payer_token(poor)
    order_no = merchant.create()["order_no"]

    for _ in range(2):
        merchant.pay(order_no, "BALANCE", payer_token=token)

    order = merchant.order(order_no)
    assert (order["status"], order["failure_code"]) == ("FAILED", "insufficient_balance")
    assert merchant.wait_for_webhook("order.failed")["data"] == order
    refused = merchant.try_pay(order_no, "BALANCE", payer_token=token)
    assert (refused.status_code, refused.json()["code"]) == (409, "order_failed")


@pytest.mark.parametrize("whose", ["nobody's", "another merchant's", "over its limit"])
def test_a_token_that_does_not_fit_changes_nothing(platform: LivePlatform, whose: str):
    merchant, payer_no = platform.merchant(), platform.payer()
    token = {
        "nobody's": lambda: "pt_" + "x" * 43,
        "another merchant's": lambda: platform.merchant().payer_token(payer_no),
        "over its limit": lambda: merchant.payer_token(payer_no, max_per_payment=9_99),
    }[whose]()
    before = merchant.create(amount=10_00)

    refused = merchant.try_pay(before["order_no"], "BALANCE", payer_token=token)

    assert (refused.status_code, refused.json()["code"]) == (403, "payer_token_invalid")
    assert merchant.order(before["order_no"]) == before
    assert platform.balance(f"L10:{payer_no}:CNY") == 1_000_000_00


def test_a_paid_order_is_not_paid_again(platform: LivePlatform):
    merchant, payer_no = platform.merchant(), platform.payer()
    token = merchant.payer_token(payer_no)
    order_no = merchant.create(amount=10_00)["order_no"]
    merchant.pay(order_no, "BALANCE", payer_token=token)

    for method, options in (("BALANCE", {"payer_token": token}), ("QR_CODE", {})):
        refused = merchant.try_pay(order_no, method, **options)
        assert (refused.status_code, refused.json()["code"]) == (409, "order_already_paid")

    assert platform.balance(f"L10:{payer_no}:CNY") == 1_000_000_00 - 10_00
    assert platform.charges(order_no) == []
