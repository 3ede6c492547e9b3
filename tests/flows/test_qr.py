"""Paying by QR code through the sandbox institution."""

from __future__ import annotations

from tests.live import LivePlatform


def test_a_qr_payment_goes_from_order_to_webhook(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=10_000)
    order_no = merchant.create(amount=25_00)["order_no"]

    paying = merchant.pay(order_no)

    assert paying["status"] == "PAYING"
    assert paying["action"]["type"] == "qr_code"
    assert paying["action"]["qr_content"]
    assert merchant.order(order_no)["status"] == "PAYING"
    assert merchant.pay(order_no)["payment_no"] == paying["payment_no"]
    assert platform.charges(order_no) == ["PENDING"]

    platform.confirm(paying["payment_no"])

    order = merchant.wait_for_status(order_no, "SUCCESS")
    assert merchant.wait_for_webhook("order.success")["data"] == order
    (detail,) = order["payment"]["details"]
    assert (detail["method"], detail["channel"], detail["amount"]) == ("QR_CODE", "sandbox", 25_00)
    assert detail["status"] == "DONE"
    (charge,) = platform.book(order_no)["charges"]
    assert (charge["status"], charge["amount"], charge["currency"]) == ("SUCCEEDED", 25_00, "CNY")
    assert charge["payment_no"] == paying["payment_no"]
    assert merchant.balance() == 25_00 - 25


def test_a_payer_who_declines_may_choose_again(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create()["order_no"]
    first = merchant.pay(order_no)

    platform.confirm(first["payment_no"], decision="decline")

    order = merchant.wait_for_status(order_no, "INIT")
    assert order["payment"]["status"] == "FAILED"
    assert order["payment"]["failure_code"]
    assert platform.charges(order_no) == ["FAILED"]
    assert merchant.balance() == 0

    second = merchant.pay(order_no)
    assert second["payment_no"] != first["payment_no"]
    platform.confirm(second["payment_no"])
    merchant.wait_for_status(order_no, "SUCCESS")
    assert platform.charges(order_no) == ["FAILED", "SUCCEEDED"]


def test_another_method_closes_the_live_payment_first(platform: LivePlatform):
    merchant, payer_no = platform.merchant(fee_rate_ppm=0), platform.payer(balance=10_00)
    order_no = merchant.create(amount=10_00)["order_no"]
    scanned = merchant.pay(order_no)

    paid = merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(payer_no))

    assert paid["status"] == "PAID"
    assert platform.charges(order_no) == ["CLOSED"]
    statuses = {
        row["payment_no"]: row["status"]
        for row in platform.sql(
            "SELECT payment_no, status FROM engine_payment_order WHERE order_no = %s", order_no
        )
    }
    assert statuses == {scanned["payment_no"]: "FAILED", paid["payment_no"]: "PAID"}
    assert merchant.balance() == 10_00


def test_a_method_that_the_merchant_excluded_is_refused(platform: LivePlatform):
    merchant = platform.merchant()
    before = merchant.create(allowed_methods=["BALANCE"])

    refused = merchant.try_pay(before["order_no"])

    assert (refused.status_code, refused.json()["code"]) == (409, "method_unavailable")
    assert merchant.order(before["order_no"]) == before
    assert platform.charges(before["order_no"]) == []


def test_consult_ranks_the_open_methods_first(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create(allowed_methods=["QR_CODE"])["order_no"]

    answer = merchant.api.post(f"orders/{order_no}/payment-methods", json={"locale": "en"})

    assert answer.status_code == 200, answer.text
    first, *others = answer.json()["methods"]
    assert (first["code"], first["available"], first["reason_code"]) == ("QR_CODE", True, None)
    assert not any(method["available"] for method in others)
    assert all(method["reason_code"] for method in others)
