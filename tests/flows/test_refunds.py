"""Refunds over HTTP with the real institution: plain, silent, refused, of two assets; asked for, found and listed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import LiveMerchant, LivePlatform
from tests.waiting import wait_until

_WITHIN_S = 45.0


def paid(platform: LivePlatform, merchant: LiveMerchant, scenario: str = "success") -> str:
    """An order of 30.00 that the institution has collected; returns its number."""
    order_no = merchant.create(amount=30_00, metadata={"sandbox_scenario": scenario})["order_no"]
    payment_no = merchant.pay(order_no)["payment_no"]
    wait_until(lambda: platform.charges(order_no)[-1:] == ["PENDING"], _WITHIN_S)
    platform.confirm(payment_no)
    merchant.wait_for_status(order_no, "SUCCESS")
    return order_no


def paid_from_balance(platform: LivePlatform, merchant: LiveMerchant) -> str:
    """An order of 10.00 paid at once; returns its number."""
    order_no = merchant.create()["order_no"]
    merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(platform.payer()))
    return order_no


def refund(merchant: LiveMerchant, status: int = 201, **body: Any) -> dict[str, Any]:
    """Ask for a refund that must be answered so; returns the Refund or problem."""
    answer = merchant.api.post("refunds", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def wait_for_end(merchant: LiveMerchant, refund_no: str) -> dict[str, Any]:
    """Wait until a refund is certain; returns it."""

    def look() -> dict[str, Any] | None:
        found = merchant.api.get(f"refunds/{refund_no}").json()
        return found if found["status"] in {"SUCCESS", "FAILED"} else None

    return wait_until(look, _WITHIN_S, what=f"the end of {refund_no}")


def test_an_order_is_refunded_in_parts(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=6_000)
    order_no = paid(platform, merchant)
    body = {"order_no": order_no, "merchant_refund_no": "R-1", "amount": 10_00, "reason": "Cold"}

    first = refund(merchant, **body)
    done = wait_for_end(merchant, first["refund_no"])

    assert done == {
        "refund_no": first["refund_no"],
        "merchant_refund_no": "R-1",
        "order_no": order_no,
        "merchant_order_no": done["merchant_order_no"],
        "status": "SUCCESS",
        "amount": 10_00,
        "currency": "CNY",
        "reason": "Cold",
        "created_at": first["created_at"],
        "succeeded_at": done["succeeded_at"],
        "failure_code": None,
    }
    assert done["succeeded_at"] is not None
    assert merchant.wait_for_webhook("refund.success")["data"] == done
    assert refund(merchant, 200, **body) == done
    order = merchant.order(order_no)
    assert (order["status"], order["refunded_amount"], order["refunding_amount"]) == (
        "SUCCESS",
        10_00,
        0,
    )
    assert order["payment"]["details"][0]["refunded_amount"] == 10_00
    assert merchant.balance() == 20_00 - 12

    rest = refund(merchant, order_no=order_no, merchant_refund_no="R-2", amount=20_00)
    assert wait_for_end(merchant, rest["refund_no"])["status"] == "SUCCESS"
    assert merchant.balance() == 0
    assert [
        (row["amount"], row["status"], row["order_no"])
        for row in platform.book(order_no)["refunds"]
    ] == [(10_00, "SUCCEEDED", order_no), (20_00, "SUCCEEDED", order_no)]
    assert platform.charges(order_no) == ["SUCCEEDED"]


def test_a_silent_institution_is_asked_until_it_says_what_it_did(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=6_000)
    order_no = paid(platform, merchant, "refund_unknown")

    asked = refund(merchant, order_no=order_no, merchant_refund_no="R-1", amount=30_00)
    assert asked["status"] == "PROCESSING"
    assert merchant.order(order_no)["refunding_amount"] == 30_00
    done = wait_for_end(merchant, asked["refund_no"])

    assert done["status"] == "SUCCESS"
    assert merchant.wait_for_webhook("refund.success")["data"] == done
    assert [row["amount"] for row in platform.book(order_no)["refunds"]] == [30_00]
    assert merchant.balance() == 0


def test_a_refused_refund_leaves_the_money_with_the_merchant(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=6_000)
    order_no = paid(platform, merchant, "refund_decline")

    asked = refund(merchant, order_no=order_no, merchant_refund_no="R-1", amount=30_00)
    failed = wait_for_end(merchant, asked["refund_no"])

    assert (failed["status"], failed["failure_code"]) == ("FAILED", "refund_refused")
    assert merchant.wait_for_webhook("refund.failed")["data"] == failed
    assert [row["status"] for row in platform.book(order_no)["refunds"]] == ["FAILED"]
    assert merchant.balance() == 30_00 - 18
    order = merchant.order(order_no)
    assert (order["status"], order["refunded_amount"], order["refunding_amount"]) == (
        "SUCCESS",
        0,
        0,
    )


def test_an_institution_that_is_away_delays_a_refund_and_loses_nothing(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = paid(platform, merchant)

    platform.fault("refuse", seconds=2)
    asked = refund(merchant, order_no=order_no, merchant_refund_no="R-1", amount=30_00)
    assert asked["status"] == "PROCESSING"
    assert wait_for_end(merchant, asked["refund_no"])["status"] == "SUCCESS"
    assert [row["status"] for row in platform.book(order_no)["refunds"]] == ["SUCCEEDED"]


def test_a_combined_payment_goes_back_to_where_it_came_from(platform: LivePlatform):
    merchant, payer_no = platform.merchant(fee_rate_ppm=0), platform.payer(balance=100_00)
    order_no = merchant.create(amount=50_00)["order_no"]
    answer = merchant.api.post(
        f"orders/{order_no}/pay",
        json={
            "method": "QR_CODE",
            "balance_amount": 20_00,
            "options": {"payer_token": merchant.payer_token(payer_no)},
        },
    )
    assert answer.status_code == 200, answer.text
    platform.confirm(answer.json()["payment_no"])
    merchant.wait_for_status(order_no, "SUCCESS")
    assert platform.balance(f"L10:{payer_no}:CNY") == 80_00

    asked = refund(merchant, order_no=order_no, merchant_refund_no="R-1", amount=45_00)
    assert wait_for_end(merchant, asked["refund_no"])["status"] == "SUCCESS"

    assert platform.balance(f"L10:{payer_no}:CNY") == 95_00
    assert [row["amount"] for row in platform.book(order_no)["refunds"]] == [30_00]
    details = merchant.order(order_no)["payment"]["details"]
    assert {row["channel"]: row["refunded_amount"] for row in details} == {
        "sandbox": 30_00,
        None: 15_00,
    }
    assert merchant.balance() == 5_00


def test_refunds_are_found_by_every_number_and_listed(platform: LivePlatform):
    merchant, other = platform.merchant(), platform.merchant()
    order_no, second_order = (paid_from_balance(platform, merchant) for _ in range(2))
    merchant_order_no = merchant.order(order_no)["merchant_order_no"]
    made = [
        refund(
            merchant,
            merchant_order_no=merchant_order_no,
            merchant_refund_no=f"R-{n}",
            amount=1_00,
        )
        for n in range(3)
    ]
    made.append(refund(merchant, order_no=second_order, merchant_refund_no="R-3", amount=1_00))
    newest_first = made[::-1]

    def listed(**query: Any) -> dict[str, Any]:
        answer = merchant.api.get("refunds", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert listed() == {"data": newest_first, "has_more": False, "next_cursor": None}
    page = listed(limit=3)
    assert (page["data"], page["has_more"]) == (newest_first[:3], True)
    assert listed(limit=3, cursor=page["next_cursor"])["data"] == newest_first[3:]
    assert listed(order_no=order_no)["data"] == newest_first[1:]
    assert listed(merchant_order_no=merchant_order_no)["data"] == newest_first[1:]
    assert listed(merchant_refund_no="R-1")["data"] == [made[1]]
    assert listed(order_no=second_order, merchant_order_no=merchant_order_no)["data"] == []
    assert listed(merchant_order_no="nobody")["data"] == []
    assert listed(status="FAILED")["data"] == []
    assert listed(status="SUCCESS", created_from=made[3]["created_at"])["data"] == [made[3]]
    assert listed(created_to=made[0]["created_at"])["data"] == []
    for query in ({"cursor": "x"}, {"order_no": "x"}, {"created_from": "x"}, {"status": "x"}):
        assert merchant.api.get("refunds", params=query).status_code == 400
    assert other.api.get("refunds").json()["data"] == []
    assert other.api.get(f"refunds/{made[0]['refund_no']}").status_code == 404
    assert merchant.api.get("refunds/rfd_x").status_code == 404


REFUSED = [
    ({"order_no": None}, 400, "invalid_request", "order_no"),
    ({"merchant_order_no": "other"}, 400, "invalid_request", "merchant_order_no"),
    ({"merchant_order_no": "no such form"}, 400, "invalid_request", "merchant_order_no"),
    ({"order_no": "ord_x"}, 404, "not_found", None),
    ({"amount": 0}, 400, "invalid_request", "amount"),
    ({"amount": 10_00.0}, 400, "invalid_request", "amount"),
    ({"amount": 10_01}, 409, "refund_exceeds_paid", None),
    ({"merchant_refund_no": "ä"}, 400, "invalid_request", "merchant_refund_no"),
    ({"reason": " "}, 400, "invalid_request", "reason"),
    ({"reason": "r" * 257}, 400, "invalid_request", "reason"),
    ({"surprise": 1}, 400, "invalid_request", "surprise"),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: str(refused[0])[:40])
def test_a_refused_request_changes_nothing(
    refundable: tuple[LiveMerchant, str],
    refused: tuple[dict[str, Any], int, str, str | None],
):
    merchant, order_no = refundable
    change, status, code, field = refused
    before = merchant.order(order_no), merchant.balance()
    body = {"order_no": order_no, "merchant_refund_no": "R-1", "amount": 1_00} | change
    problem = refund(merchant, status, **{name: v for name, v in body.items() if v is not None})
    assert problem["code"] == code
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])
    assert (merchant.order(order_no), merchant.balance()) == before
    assert merchant.api.get("refunds").json()["data"] == []


@pytest.fixture(scope="module")
def refundable(running_platform: LivePlatform) -> tuple[LiveMerchant, str]:
    """A paid order that nobody has refunded."""
    merchant = running_platform.merchant()
    return merchant, paid_from_balance(running_platform, merchant)


def test_conflicts_name_what_differs_and_anothers_order_is_not_there(platform: LivePlatform):
    merchant, other = platform.merchant(), platform.merchant()
    order_no = paid_from_balance(platform, merchant)
    body = {"order_no": order_no, "merchant_refund_no": "R-1", "amount": 1_00}
    refund(merchant, **body)

    problem = refund(merchant, 409, **body | {"amount": 2_00, "reason": "Cold"})
    assert problem["code"] == "refund_conflict"
    assert [error["field"] for error in problem["errors"]] == ["amount", "reason"]
    assert refund(other, 404, **body)["code"] == "not_found"
    unpaid = merchant.create()["order_no"]
    answer = refund(merchant, 409, order_no=unpaid, merchant_refund_no="R-2", amount=1)
    assert answer["code"] == "order_not_paid"
    assert merchant.order(order_no)["refunded_amount"] == 1_00
