"""Orders through the merchant API: idempotent, strict, private, listed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import LivePlatform
from tests.makers import order_body


def test_the_same_order_again_answers_with_the_first(platform: LivePlatform):
    merchant = platform.merchant()
    body = order_body(metadata={"a": "1", "b": "2"})

    first = merchant.api.post("orders", json=body)
    again = merchant.api.post("orders", json=dict(reversed(body.items())))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "change",
    [{"amount": 10_01}, {"subject": "Coffee"}, {"currency": "USD"}, {"metadata": {"a": "b"}}],
    ids=lambda change: next(iter(change)),
)
def test_the_same_number_for_another_order_conflicts_and_changes_nothing(
    platform: LivePlatform, change: dict[str, Any]
):
    merchant = platform.merchant()
    body = order_body()
    first = merchant.api.post("orders", json=body).json()

    refused = merchant.api.post("orders", json=body | change)

    assert (refused.status_code, refused.json()["code"]) == (409, "order_conflict")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert merchant.order(first["order_no"]) == first
    assert merchant.api.get("orders").json()["data"] == [first]


def test_two_merchants_may_use_the_same_number(platform: LivePlatform):
    body = order_body()
    made = [platform.merchant().api.post("orders", json=body) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert len({answer.json()["order_no"] for answer in made}) == 2


def test_another_merchants_order_is_as_if_absent(platform: LivePlatform):
    owner, stranger = platform.merchant(), platform.merchant()
    order = owner.create()
    order_no = order["order_no"]

    answers = [
        stranger.api.get(f"orders/{order_no}"),
        stranger.api.post(f"orders/{order_no}/close"),
        stranger.try_pay(order_no),
        stranger.api.post(f"orders/{order_no}/payment-methods"),
        stranger.api.get("orders/ord_0000000000000000000000"),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (404, "not_found")
    }
    details = {answer.json()["detail"] for answer in answers}
    assert len(details) == 1
    assert stranger.api.get("orders").json()["data"] == []
    assert owner.order(order_no) == order


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 10.5},
        {"amount": "1000"},
        {"amount": True},
        {"amount": 1_000_000_000_000},
        {"currency": "XXX"},
        {"currency": "cny"},
        {"merchant_order_no": "a b"},
        {"merchant_order_no": "x" * 65},
        {"merchant_order_no": "１２"},
        {"subject": ""},
        {"subject": "a\x00b"},
        {"expires_in": 59},
        {"expires_in": 86_401},
        {"return_url": "https://elsewhere.example/"},
        {"return_url": "https://shop.example.evil.example/"},
        {"notify_url": "ftp://shop.example/"},
        {"allowed_methods": []},
        {"allowed_methods": ["CASH"]},
        {"metadata": {"k": 1}},
        {"metadata": {"k" * 41: "v"}},
        {"unknown_field": 1},
    ],
    ids=str,
)
def test_a_body_that_is_not_exactly_right_is_refused_whole(
    platform: LivePlatform, strict_merchant: Any, change: dict[str, Any]
):
    refused = strict_merchant.api.post("orders", json=order_body() | change)

    assert refused.status_code == 400, refused.text
    problem = refused.json()
    assert (problem["code"], problem["action"]) == ("invalid_request", "FIX_REQUEST")
    assert problem["request_id"] == refused.headers["X-Request-Id"]
    assert strict_merchant.api.get("orders").json()["data"] == []


@pytest.fixture(scope="module")
def strict_merchant(running_platform: LivePlatform) -> Any:
    """One merchant that never succeeds in creating anything."""
    return running_platform.merchant()


def test_orders_are_listed_newest_first_page_by_page(platform: LivePlatform):
    merchant = platform.merchant()
    made = [merchant.create()["order_no"] for _ in range(5)]
    merchant.api.post(f"orders/{made[0]}/close")

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = merchant.api.get("orders", params=query).json()
        seen += [order["order_no"] for order in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        assert len(page["data"]) == 2
        query["cursor"] = page["next_cursor"]

    assert seen == made[::-1]
    closed = merchant.api.get("orders", params={"status": "CLOSED"}).json()["data"]
    assert [order["order_no"] for order in closed] == made[:1]
    one = merchant.order(made[2])
    found = merchant.api.get("orders", params={"merchant_order_no": one["merchant_order_no"]})
    assert found.json()["data"] == [one]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"cursor": "x"},
        {"status": "PAID"},
        {"page": "2"},
    ],
    ids=str,
)
def test_a_query_that_means_nothing_is_refused(platform: LivePlatform, query: dict[str, str]):
    refused = platform.merchant().api.get("orders", params=query)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
