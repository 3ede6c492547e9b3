"""The rules of the tables that every payment writes: triggers instead of CHECKs, and refusing as one would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from acquiring.models import Delivery, TradeOrder
from acquiring.models.notification import DELIVERY_RULES
from acquiring.models.order import ORDER_RULES
from engine.models import PaymentOrder
from engine.models.payment import PAYMENT_RULES
from tests.makers import make_merchant, make_payer, make_payer_token, order_body

IDLE = "order_no = %(idle)s"
PAID = "order_no = %(paid)s"
OF_PAID = "event_id IN (SELECT event_id FROM acquiring_merchant_event WHERE object_no = %(paid)s)"

BREAKING: list[tuple[str, type[Any], str, str]] = [
    ("acquiring_order_refund_within_paid", TradeOrder, "refunding_amount = -1", PAID),
    ("acquiring_order_refund_within_paid", TradeOrder, "refunded_amount = amount + 1", PAID),
    ("acquiring_order_due_until_terminal", TradeOrder, "due_at = NULL", IDLE),
    ("acquiring_order_due_until_terminal", TradeOrder, "due_at = now()", PAID),
    ("acquiring_order_tries", TradeOrder, "failed_tries = -1", IDLE),
    ("acquiring_order_tries", TradeOrder, "max_tries = -1", IDLE),
    ("engine_payment_live_until_terminal", PaymentOrder, "live_order_no = order_no", PAID),
    ("acquiring_delivery_due_until_ended", Delivery, "due_at = now()", OF_PAID),
    ("acquiring_delivery_delivered_at", Delivery, "delivered_at = now()", OF_PAID),
    ("acquiring_delivery_reason", Delivery, "reason = ''", OF_PAID),
    ("acquiring_delivery_lease", Delivery, "leased_until = now()", OF_PAID),
    ("acquiring_delivery_counts", Delivery, "tries = -1", OF_PAID),
    ("acquiring_delivery_counts", Delivery, "last_status_code = -1", OF_PAID),
]
"""What breaks each rule that an UPDATE can break; the columns of the others are frozen after the insert."""

COPIES: list[tuple[str, type[Any], str, str]] = [
    ("acquiring_order_amount_range", TradeOrder, '{"order_no": "x1", "amount": 0}', IDLE),
    (
        "acquiring_order_amount_range",
        TradeOrder,
        '{"order_no": "x2", "amount": 1000000000000}',
        IDLE,
    ),
    ("engine_payment_positive", PaymentOrder, '{"payment_no": "x3", "amount": 0}', PAID),
    (
        "engine_payment_fee_within_amount",
        PaymentOrder,
        '{"payment_no": "x4", "fee_amount": -1}',
        PAID,
    ),
    (
        "engine_payment_fee_within_amount",
        PaymentOrder,
        '{"payment_no": "x5", "fee_amount": 10001}',
        PAID,
    ),
    ("acquiring_delivery_target", Delivery, '{"delivery_no": "x6", "endpoint_id": "ep"}', OF_PAID),
    ("acquiring_delivery_target", Delivery, '{"delivery_no": "x7", "target": "ENDPOINT"}', OF_PAID),
]
"""Copies of a row, back in its first state, with values that break a rule."""

FIRST_STATE = {
    TradeOrder: {"status": "INIT", "due_at": "2040-01-01Z", "merchant_order_no": "copy"},
    PaymentOrder: {"status": "INIT", "live_order_no": "unpaid", "order_no": "unpaid"},
    Delivery: {"status": "DUE", "due_at": "2040-01-01Z", "reason": ""},
}


@pytest.fixture(scope="module")
def orders() -> dict[str, str]:
    """One unpaid order and one paid from a balance, without an address to tell it to."""
    merchant = make_merchant()
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
    client = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
        return dict(answer.json())

    idle, paid = (str(post("orders", order_body())["order_no"]) for _ in range(2))
    pay = {"method": "BALANCE", "options": {"payer_token": token}}
    assert post(f"orders/{paid}/pay", pay)["status"] == "PAID"
    return {"idle": idle, "paid": paid}


def rows(model: type[Any], which: str, orders: dict[str, str]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(r) FROM {model._meta.db_table} r WHERE {which}", orders)
        return [json.loads(row[0]) for row in cursor.fetchall()]


def refused(statement: str, values: dict[str, str]) -> str:
    """Run the statement with the application's rights; return the rule that refused it."""
    with (
        pytest.raises(IntegrityError) as caught,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values)
    cause: Any = caught.value.__cause__
    assert cause.sqlstate == "23514"
    return str(cause.diag.constraint_name)


@pytest.mark.parametrize(("rule", "model", "change", "which"), BREAKING)
def test_no_update_breaks_a_rule(
    rule: str, model: type[Any], change: str, which: str, orders: dict[str, str]
):
    before = rows(model, which, orders)
    assert len(before) == 1
    assert refused(f"UPDATE {model._meta.db_table} SET {change} WHERE {which}", orders) == rule
    assert rows(model, which, orders) == before


@pytest.mark.parametrize(("rule", "model", "change", "which"), COPIES)
def test_no_insert_breaks_a_rule(
    rule: str, model: type[Any], change: str, which: str, orders: dict[str, str]
):
    table, copy = model._meta.db_table, FIRST_STATE[model] | json.loads(change)
    statement = f"INSERT INTO {table} SELECT (jsonb_populate_record(r, %(copy)s::jsonb)).* FROM {table} r WHERE {which}"
    assert refused(statement, orders | {"copy": json.dumps(copy)}) == rule


def test_every_rule_is_broken_here():
    named = {entry[0] for entry in [*BREAKING, *COPIES]}
    assert named == {*ORDER_RULES, *PAYMENT_RULES, *DELIVERY_RULES}
