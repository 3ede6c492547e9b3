"""What the hot paths cost the database, in CPU time: a gate that a busy machine does not move much.

Both are measured in units of a work of fixed shape, done in between by the same session. Other programs drive a
session's code and rows out of the processor's caches, and what touches many tables suffers most: beside eight of them a
payment cost up to 10 created orders, alone 6, but never more than 3.7 such works.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from tests.makers import make_merchant, make_payer, make_payer_token, order_body

CALLS = 40
MORE_BATCHES = 3
"""A batch in bad company may seem dear; one that is dear stays so."""
MOST_OF_A_PAYMENT = 4.0
"""A payment moves an order and a payment twice, books and tells: 3.1 alone, 2.5 to 3.7 beside others."""
MOST_OF_A_CREATED_ORDER = 0.75
"""0.53 alone, 0.39 to 0.58 beside others."""

TABLES = 12
_TABLE = """
CREATE TEMP TABLE IF NOT EXISTS reference_{n}
    (id text PRIMARY KEY, other text, amount bigint, status text, details jsonb, at timestamptz);
CREATE INDEX IF NOT EXISTS reference_{n}_other ON reference_{n} (other, at);
"""
_STEP = """
INSERT INTO reference_{n} VALUES (p_id, p_id || 'x', 1, 'INIT', jsonb_build_object('id', p_id), now());
UPDATE reference_{n} AS r SET status = 'PAYING', amount = r.amount + 1
FROM unnest(ARRAY[p_id]) AS i (id) WHERE r.id = i.id AND r.status = 'INIT';
SELECT count(*) INTO v_found FROM reference_{n} AS r JOIN reference_{following} AS s ON s.id = r.id
WHERE r.other = p_id || 'x';
"""
_WORK = """
CREATE OR REPLACE FUNCTION pg_temp.reference_work(p_id text) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$ DECLARE v_found bigint; BEGIN {steps} RETURN v_found; END $$
"""


def make_reference() -> None:
    """Give this session tables and a function of its own, of the kind that payments are made of: they never change."""
    numbers = range(TABLES)
    steps = [_STEP.format(n=n, following=(n + 1) % TABLES) for n in numbers]
    with connection.cursor() as cursor:
        cursor.execute("".join(_TABLE.format(n=n) for n in numbers))
        cursor.execute(_WORK.format(steps="".join(steps)))


def do_reference_work(number: str) -> None:
    """Do it once, in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_temp.reference_work(%s)", [number])


def backend_cpu_us() -> float:
    """CPU microseconds that this thread's session has used in the server."""
    connection.ensure_connection()
    spent = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    if not spent.exists():
        pytest.skip("the database server is not on this machine")
    return int(spent.read_text().split()[0]) / 1000


def measure_costs() -> tuple[float, float]:
    """Return what an order and a payment cost, in works, of one batch of fresh ones."""
    made = make_merchant()
    token = make_payer_token(payer_no=make_payer(), merchant_no=made["merchant_no"])
    client = Client(headers={"Authorization": f"Bearer {made['secret_key']}"})
    pay = json.dumps({"method": "BALANCE", "options": {"payer_token": token}})
    created, paid, worked = [], [], []
    for _ in range(CALLS):
        times = [backend_cpu_us()]
        answer = client.post("/api/v1/orders", json.dumps(order_body()), "application/json")
        times.append(backend_cpu_us())
        order_no = answer.json()["order_no"]
        done = client.post(f"/api/v1/orders/{order_no}/pay", pay, "application/json")
        assert done.json()["status"] == "PAID"
        times.append(backend_cpu_us())
        do_reference_work(order_no)
        times.append(backend_cpu_us())
        for spent, begin, end in zip((created, paid, worked), times, times[1:], strict=False):
            spent.append(end - begin)
    # The least of each: what is above it is the machine's, not ours.
    return min(created) / min(worked), min(paid) / min(worked)


def test_orders_and_balance_payments_cost_no_more_than_they_did():
    make_reference()
    order, payment = measure_costs()
    for _ in range(MORE_BATCHES):
        if order < MOST_OF_A_CREATED_ORDER and payment < MOST_OF_A_PAYMENT:
            break
        order, payment = map(min, (order, payment), measure_costs())
    assert payment < MOST_OF_A_PAYMENT, f"a payment costs {payment:.2f} works"
    assert order < MOST_OF_A_CREATED_ORDER, f"an order costs {order:.2f} works"
    assert payment > order, "a payment cheaper than an order is not measured, but a mistake"
