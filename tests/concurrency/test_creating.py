"""The same order created many times at once, by real web processes."""

from __future__ import annotations

from tests.barrier import run_times, run_together
from tests.live import LivePlatform
from tests.makers import order_body


def test_32_identical_creates_make_one_order(platform: LivePlatform):
    merchant, body = platform.merchant(), order_body()

    answers = run_times(32, lambda: merchant.api.post("orders", json=body))

    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert len({answer.json()["order_no"] for answer in answers}) == 1
    assert len({answer.text for answer in answers}) == 1
    made = platform.sql(
        "SELECT order_no FROM acquiring_trade_order WHERE merchant_no = %s", merchant.merchant_no
    )
    moves = platform.sql(
        "SELECT from_status, to_status FROM acquiring_transition WHERE object_no = %s",
        made[0]["order_no"],
    )
    assert len(made) == 1
    assert moves == [{"from_status": "", "to_status": "INIT"}]


def test_one_number_for_two_orders_at_once_belongs_to_one(platform: LivePlatform):
    merchant, body = platform.merchant(), order_body()
    bodies = [body | {"amount": amount} for amount in (10_00, 20_00)] * 8

    answers = run_together(
        [lambda body=body: merchant.api.post("orders", json=body) for body in bodies]
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 7 + [201] + [409] * 8
    (order,) = merchant.api.get("orders").json()["data"]
    for body, answer in zip(bodies, answers, strict=True):
        if body["amount"] == order["amount"]:
            assert answer.json() == order
        else:
            assert answer.json()["code"] == "order_conflict"
