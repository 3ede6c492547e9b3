"""No statement of a hot path reads a whole table, also inside its functions: the server's own counters say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tests.databases import fresh_database
from tests.environment import ROOT, database_url, owner_url
from tests.makers import make_merchant, make_payer, make_payer_token, order_body
from tests.notifying import sign_paid
from tests.slots import no_slot_free

_SCANS = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = 'public' AND relname <> 'test_clock'"


@pytest.fixture
def without_scans_of_tables():
    """A fresh session whose plans scan a table only where no index could serve; test tables are tiny."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    yield
    connection.close()


def count_scans() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(_SCANS)
        return dict(cursor.fetchall())


def call(merchant: dict[str, str], path: str, body: dict[str, Any] | None = None) -> Any:
    client = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})
    if body is None:
        answer = client.get(f"/api/v1/{path}")
    else:
        answer = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()


def wait_for_channel(merchant: dict[str, str]) -> Callable[[], None]:
    """An order whose payer has paid at the channel; what is returned lets the channel say so."""
    order = call(merchant, "orders", order_body())
    with no_slot_free():
        call(merchant, f"orders/{order['order_no']}/pay", {"method": "QR_CODE"})
    notify = sign_paid(order_no=order["order_no"])

    def hear() -> None:
        assert notify().status_code == 200
        assert call(merchant, f"orders/{order['order_no']}")["status"] == "SUCCESS"

    return hear


def pay_once(merchant: dict[str, str], token: str) -> str:
    """Create, pay and query one order: what the hot paths of the API send; returns its number."""
    order = call(merchant, "orders", order_body())
    pay = {"method": "BALANCE", "options": {"payer_token": token}}
    assert call(merchant, f"orders/{order['order_no']}/pay", pay)["status"] == "PAID"
    assert call(merchant, f"orders/{order['order_no']}")["status"] == "SUCCESS"
    return str(order["order_no"])


def refund_once(merchant: dict[str, str], order_no: str) -> None:
    """Give a part of it back to the payer's balance."""
    back = {"order_no": order_no, "merchant_refund_no": order_no, "amount": 1}
    assert call(merchant, "refunds", back)["status"] == "SUCCESS"


@pytest.mark.usefixtures("without_scans_of_tables")
def test_no_hot_statement_scans_a_table():
    merchant = make_merchant()
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
    refund_once(merchant, pay_once(merchant, token))  # also opens the accounts
    wait_for_channel(merchant)()
    told = [wait_for_channel(merchant) for _ in range(3)]
    before = count_scans()
    for hear in told:
        refund_once(merchant, pay_once(merchant, token))
        hear()
    after = count_scans()
    assert {name: n - before[name] for name, n in after.items() if n != before[name]} == {}


@pytest.mark.usefixtures("without_scans_of_tables")
def test_the_counters_would_show_a_scan():
    before = count_scans()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM acquiring_trade_order WHERE subject = 'nobody'")
    assert count_scans()["acquiring_trade_order"] == before["acquiring_trade_order"] + 1


GROWING = (
    "acquiring_trade_order",
    "acquiring_delivery",
    "engine_payment_order",
    "engine_payment_detail",
    "engine_channel_attempt",
    "engine_late_money",
    "engine_refund",
    "ledger_journal",
    "ledger_posting",
    "checkout_payer_agreement",
    "ledger_payer_balance",
)
READ_ALONE = {"acquiring_trade_order", "checkout_payer_agreement"}
"""Read by statements outside the functions, which plan anew once these tables are analysed: a matter of a minute."""
TAILS = {"ledger_posting by ledger_posting_credits", "ledger_posting by ledger_posting_debits"}
"""Read by a refund, which spends: what was posted to the merchant's account since its last roll-up, and no more."""
MOST_READ = 10
"""Entries of one index that the life of one order reads: its own, in every version of its row."""


def test_a_plan_of_the_first_day_does_not_read_all_that_came_since():
    with fresh_database("platform_first_day") as name:
        with psycopg.connect(owner_url(name), autocommit=True) as owner:
            owner.execute("VACUUM (ANALYZE)")
        done = subprocess.run(
            [sys.executable, "-m", "tests.flows.first_day", *GROWING],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url(name)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    *payments, refund = json.loads(done.stdout.splitlines()[-1])
    for read in (*payments, {name: n for name, n in refund.items() if name not in TAILS}):
        assert len(read) > 2 * len(GROWING)
        whole = {name.split()[0] for name, n in read.items() if n and name.endswith(" as a whole")}
        assert whole <= READ_ALONE, whole
        assert {name: n for name, n in read.items() if n > MOST_READ} == {}
