"""What the hot paths cost the database, in CPU time and as a ratio: a gate that a busy machine does not move much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.makers import make_merchant, make_payer, make_payer_token, order_body

CALLS = 40
MOST_OF_A_CREATED_ORDER = 7.0
"""A payment moves an order and a payment twice, books and tells: it was 3 to 4 times an order when this was written."""


def backend_cpu_us() -> float:
    """CPU microseconds that this thread's session has used in the server."""
    connection.ensure_connection()
    spent = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    if not spent.exists():
        pytest.skip("the database server is not on this machine")
    return int(spent.read_text().split()[0]) / 1000


def test_a_balance_payment_costs_a_few_created_orders():
    made = make_merchant()
    token = make_payer_token(payer_no=make_payer(), merchant_no=made["merchant_no"])
    client = Client(headers={"Authorization": f"Bearer {made['secret_key']}"})
    pay = json.dumps({"method": "BALANCE", "options": {"payer_token": token}})
    created, paid = [], []
    for _ in range(CALLS):
        start = backend_cpu_us()
        answer = client.post("/api/v1/orders", json.dumps(order_body()), "application/json")
        between = backend_cpu_us()
        order_no = answer.json()["order_no"]
        done = client.post(f"/api/v1/orders/{order_no}/pay", pay, "application/json")
        assert done.json()["status"] == "PAID"
        created.append(between - start)
        paid.append(backend_cpu_us() - between)
    # The least of each: what is above it is the machine's, not ours.
    ratio = min(paid) / min(created)
    assert ratio < MOST_OF_A_CREATED_ORDER, f"a payment costs {ratio:.1f} orders"
    assert ratio > 1, "a payment cheaper than an order is not measured, but a mistake"
