"""Part from the balance, the rest by QR code, in one payment, over HTTP with the real institution."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.live import LiveMerchant, LivePlatform

AMOUNT = 100_00
PART = 30_00
REST = 70_00


def try_pay(
    merchant: LiveMerchant, order_no: str, token: str | None, **wish: Any
) -> httpx.Response:
    options = {"options": {"payer_token": token}} if token else {}
    return merchant.api.post(f"orders/{order_no}/pay", json={"method": "QR_CODE"} | options | wish)


def pay(merchant: LiveMerchant, order_no: str, token: str, **wish: Any) -> dict[str, Any]:
    answer = try_pay(merchant, order_no, token, **wish)
    assert answer.status_code == 200, answer.text
    return answer.json()


def purse(platform: LivePlatform, payer_no: str) -> tuple[int, int]:
    """(balance, held) of a payer."""
    (row,) = platform.sql(
        "SELECT b.balance, b.held FROM ledger_payer_balance b JOIN ledger_account a ON a.id = b.account_id"
        " WHERE a.code = %s",
        f"L10:{payer_no}:CNY",
    )
    return row["balance"], row["held"]


def shown(order: dict[str, Any]) -> list[tuple[str, str | None, int, str]]:
    return [
        (detail["method"], detail["channel"], detail["amount"], detail["status"])
        for detail in order["payment"]["details"]
    ]


@pytest.mark.parametrize(
    ("wish", "balance"),
    [({"balance_amount": PART}, 50_00), ({"use_balance": True}, PART)],
    ids=["balance_amount", "use_balance"],
)
def test_a_combined_payment_goes_from_order_to_webhook(
    platform: LivePlatform, wish: dict[str, Any], balance: int
):
    merchant = platform.merchant(fee_rate_ppm=6_000)
    payer_no = platform.payer(balance=balance)
    token = merchant.payer_token(payer_no)
    order_no = merchant.create(amount=AMOUNT)["order_no"]

    paying = pay(merchant, order_no, token, **wish)

    assert (paying["status"], paying["action"]["type"]) == ("PAYING", "qr_code")
    assert pay(merchant, order_no, token, **wish)["payment_no"] == paying["payment_no"]
    assert purse(platform, payer_no) == (balance, PART)
    assert shown(merchant.order(order_no)) == [
        ("BALANCE", None, PART, "HELD"),
        ("QR_CODE", "sandbox", REST, "INIT"),
    ]
    platform.confirm(paying["payment_no"])

    order = merchant.wait_for_status(order_no, "SUCCESS")
    assert merchant.wait_for_webhook("order.success")["data"] == order
    assert order["payment"]["method"] == "QR_CODE"
    assert shown(order) == [
        ("BALANCE", None, PART, "DONE"),
        ("QR_CODE", "sandbox", REST, "DONE"),
    ]
    (charge,) = platform.book(order_no)["charges"]
    assert (charge["status"], charge["amount"]) == ("SUCCEEDED", REST)
    assert purse(platform, payer_no) == (balance - PART, 0)
    assert merchant.balance() == AMOUNT - 60
    assert platform.prove()["code"] == 0


def test_declined_at_the_institution_the_balance_is_whole_again(platform: LivePlatform):
    merchant, payer_no = platform.merchant(), platform.payer(balance=50_00)
    token = merchant.payer_token(payer_no)
    order_no = merchant.create(amount=AMOUNT)["order_no"]
    paying = pay(merchant, order_no, token, balance_amount=PART)

    platform.confirm(paying["payment_no"], decision="decline")

    order = merchant.wait_for_status(order_no, "INIT")
    assert shown(order) == [
        ("BALANCE", None, PART, "RELEASED"),
        ("QR_CODE", "sandbox", REST, "FAILED"),
    ]
    assert purse(platform, payer_no) == (50_00, 0)
    assert merchant.balance() == 0
    again = pay(merchant, order_no, token, use_balance=True)
    platform.confirm(again["payment_no"])
    order = merchant.wait_for_status(order_no, "SUCCESS")
    assert [line[2] for line in shown(order)] == [50_00, 50_00]


@pytest.mark.parametrize(
    ("scenario", "ends"),
    [
        ("unknown_then_success", "SUCCESS"),
        ("decline_retriable", "SUCCESS"),
        ("unknown_then_not_charged", "INIT"),
        ("amount_mismatch", "INIT"),
    ],
)
def test_whatever_the_institution_does_the_hold_ends_with_the_payment(
    platform: LivePlatform, scenario: str, ends: str
):
    merchant, payer_no = platform.merchant(fee_rate_ppm=0), platform.payer(balance=PART)
    order = merchant.create(amount=AMOUNT, metadata={"sandbox_scenario": scenario})
    order_no = order["order_no"]
    paying = pay(merchant, order_no, merchant.payer_token(payer_no), balance_amount=PART)
    if platform.charges(order_no)[-1:] == ["PENDING"]:
        platform.confirm(paying["payment_no"])

    merchant.wait_for_status(order_no, ends, timeout_s=60)

    paid = ends == "SUCCESS"
    assert purse(platform, payer_no) == ((0, 0) if paid else (PART, 0))
    assert merchant.balance() == (AMOUNT if paid else 0)
    succeeded = [c for c in platform.book(order_no)["charges"] if c["status"] == "SUCCEEDED"]
    expected = {"SUCCESS": [REST]}.get(ends, [REST - 1] if scenario == "amount_mismatch" else [])
    assert [charge["amount"] for charge in succeeded] == expected


def test_closing_gives_the_balance_back(platform: LivePlatform):
    merchant, payer_no = platform.merchant(), platform.payer(balance=50_00)
    order_no = merchant.create(amount=AMOUNT)["order_no"]
    pay(merchant, order_no, merchant.payer_token(payer_no), balance_amount=PART)

    merchant.api.post(f"orders/{order_no}/close")

    order = merchant.wait_for_status(order_no, "CLOSED")
    assert [line[3] for line in shown(order)] == ["RELEASED", "FAILED"]
    assert purse(platform, payer_no) == (50_00, 0)
    assert platform.charges(order_no) == ["CLOSED"]


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"balance_amount": PART, "use_balance": True}, 400, "invalid_request"),
        ({"balance_amount": AMOUNT + 1}, 400, "invalid_request"),
        ({"balance_amount": 0}, 400, "invalid_request"),
        ({"balance_amount": "30"}, 400, "invalid_request"),
        ({"method": "BALANCE", "balance_amount": PART}, 400, "invalid_request"),
        ({"balance_amount": 40_01}, 403, "payer_token_invalid"),
    ],
)
def test_a_wish_that_cannot_be_granted_changes_nothing(
    platform: LivePlatform, wish: dict[str, Any], status: int, code: str
):
    merchant, payer_no = platform.merchant(), platform.payer(balance=200_00)
    token = merchant.payer_token(payer_no, max_per_payment=40_00)
    before = merchant.create(amount=AMOUNT)

    refused = try_pay(merchant, before["order_no"], token, **wish)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert merchant.order(before["order_no"]) == before
    assert purse(platform, payer_no) == (200_00, 0)
    assert platform.charges(before["order_no"]) == []


def test_too_little_in_the_balance_fails_before_anybody_is_asked(platform: LivePlatform):
    merchant, payer_no = platform.merchant(), platform.payer(balance=PART - 1)
    order_no = merchant.create(amount=AMOUNT)["order_no"]

    failed = pay(merchant, order_no, merchant.payer_token(payer_no), balance_amount=PART)

    assert (failed["status"], failed["failure_code"]) == ("FAILED", "insufficient_balance")
    assert merchant.order(order_no)["status"] == "INIT"
    assert purse(platform, payer_no) == (PART - 1, 0)
    assert platform.charges(order_no) == []
