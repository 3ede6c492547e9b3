"""How often the hot paths wait for the database: counted on the wire, asserted here, never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.makers import make_merchant, make_payer, make_payer_token, order_body
from tests.notifying import sign_paid
from tests.roundtrips import RoundTrips, counting_round_trips
from tests.slots import no_slot_free


@pytest.fixture(scope="module")
def merchant() -> dict[str, str]:
    """A merchant whose key the process knows already, as in a warm web worker."""
    made = make_merchant()
    for _ in range(2):
        order_no = call(made, "orders", order_body())[0]["order_no"]
        call(made, f"orders/{order_no}/pay", balance_of(made))
        call(made, f"orders/{order_no}")
    return made


def balance_of(merchant: dict[str, str]) -> dict[str, Any]:
    """The body that pays from a fresh payer's balance."""
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
    return {"method": "BALANCE", "options": {"payer_token": token}}


def call(
    merchant: dict[str, str], path: str, body: dict[str, Any] | None = None
) -> tuple[Any, RoundTrips]:
    """Call the API in this process; returns the answer and what went to the database."""
    client = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})
    with counting_round_trips() as seen:
        if body is None:
            answer = client.get(f"/api/v1/{path}")
        else:
            answer = client.post(
                f"/api/v1/{path}", data=json.dumps(body), content_type="application/json"
            )
    assert answer.status_code in {200, 201}, answer.content
    return answer.json(), seen


def test_creating_an_order_takes_one(merchant: dict[str, str]):
    _, seen = call(merchant, "orders", order_body())
    assert (len(seen), seen.on_the_wire) == (1, 1), seen


def test_asking_for_an_order_takes_one(merchant: dict[str, str]):
    order, _ = call(merchant, "orders", order_body())
    _, seen = call(merchant, f"orders/{order['order_no']}")
    assert (len(seen), seen.on_the_wire) == (1, 1), seen


def test_paying_from_the_balance_takes_two(merchant: dict[str, str]):
    order, _ = call(merchant, "orders", order_body())
    body = balance_of(merchant)
    paid, seen = call(merchant, f"orders/{order['order_no']}/pay", body)
    assert paid["status"] == "PAID"
    assert (len(seen), seen.on_the_wire) == (2, 2), seen


def test_repeating_an_order_takes_two(merchant: dict[str, str]):
    body = order_body()
    call(merchant, "orders", body)
    call(merchant, "orders", body)
    _, seen = call(merchant, "orders", body)
    assert (len(seen), seen.on_the_wire) == (2, 2), seen


def test_a_channels_word_that_it_was_paid_takes_one(merchant: dict[str, str]):
    for _ in range(2):
        order, _seen = call(merchant, "orders", order_body())
        with no_slot_free():
            call(merchant, f"orders/{order['order_no']}/pay", {"method": "QR_CODE"})
        notify = sign_paid(order_no=order["order_no"])
        with counting_round_trips() as seen:
            assert notify().status_code == 200
    assert (len(seen), seen.on_the_wire) == (1, 1), seen
    paid, _seen = call(merchant, f"orders/{order['order_no']}")
    assert paid["status"] == "SUCCESS"


def test_refunding_to_a_balance_takes_one(merchant: dict[str, str]):
    for number in ("R-1", "R-2"):
        order, _seen = call(merchant, "orders", order_body())
        call(merchant, f"orders/{order['order_no']}/pay", balance_of(merchant))
        body = {"order_no": order["order_no"], "merchant_refund_no": number, "amount": 1}
        refund, seen = call(merchant, "refunds", body)
    assert refund["status"] == "SUCCESS"
    assert (len(seen), seen.on_the_wire) == (1, 1), seen
