"""A process is killed while it pays groups of orders: each order was paid once, or nothing of it was written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace

import pytest

from acquiring.contracts import OrderAlreadyPaid
from checkout.services.balance_payments import BalancePayment, pay_from_balance
from paymentplatform.kernel import numbers
from tests.checkout.test_balance_groups import WISH, prepare
from tests.trading import Trade, balance_of, rows
from tests.waiting import wait_until

ROUNDS = 40 if os.environ.get("RUN_LONG") == "1" else 1
PAYMENTS = 16
PAYER = """
import json, sys, threading, django
django.setup()
from checkout.services.balance_payments import BalancePayment, pay_from_balance
payments = [BalancePayment(**each) for each in json.loads(sys.argv[1])]
gate = threading.Barrier(8, action=lambda: print("begun", flush=True))
def pay(mine):
    gate.wait()
    for payment in mine:
        pay_from_balance(payment)
        print(payment.order_no, flush=True)
threads = [threading.Thread(target=pay, args=[payments[at::8]]) for at in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.timeout(600)
def test_a_process_killed_around_a_commit_has_paid_each_order_once_or_not_at_all():
    dice = random.Random()
    for _ in range(ROUNDS):
        group = [prepare(WISH) for _ in range(PAYMENTS)]
        told = run_until_killed(
            PAYER,
            [asdict(payment) for _, payment in group],
            after_s=dice.uniform(0, 0.05),
            calling="checkout_pay_from_balances",
        )
        for trade, payment in group:
            assert trade.order()["status"] == "SUCCESS" or payment.order_no not in told
            assert_whole(trade, payment)
            with suppress(OrderAlreadyPaid):
                assert pay_from_balance(replace(payment, **new_numbers())) == "PAID"
            assert trade.order()["status"] == "SUCCESS"
            assert_whole(trade, payment)


def run_until_killed(code: str, told: object, *, after_s: float, calling: str) -> list[str]:
    """Let another process do it and kill it so long after its beginning; return what it said was done.

    ``calling`` is the function in the database whose end is waited for.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(told)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    time.sleep(after_s)  # the moment of its death is drawn, nothing is waited for
    child.send_signal(signal.SIGKILL)
    said = child.stdout.read().splitlines()
    child.wait()
    wait_until(lambda: not running(calling), what="the server to end what was begun")
    return said


def running(function: str) -> list[object]:
    return rows(
        "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        " AND query LIKE %s",
        f"%{function}%",
    )


def new_numbers() -> dict[str, str]:
    names = ("payment_no", "detail_no", "journal_no", "event_id", "delivery_no")
    made = numbers.new_numbers(
        numbers.PAYMENT, numbers.DETAIL, numbers.JOURNAL, numbers.EVENT, numbers.DELIVERY
    )
    return dict(zip(names, made, strict=True))


def assert_whole(trade: Trade, payment: BalancePayment) -> None:
    """All of the payment is there and the money has moved once, or nothing is."""
    is_paid = trade.order()["status"] == "SUCCESS"
    taken = payment.amount if is_paid else 0
    assert balance_of(f"L10:{payment.payer_no}:CNY") == WISH.balance - taken
    assert trade.merchant_balance() == taken
    assert [paid["status"] for paid in trade.payments()] == (["PAID"] if is_paid else [])
    assert trade.event_types() == (["order.success"] if is_paid else [])
    assert trade.order()["status"] == ("SUCCESS" if is_paid else "INIT")
    (spent,) = rows(
        "SELECT spent_amount FROM checkout_payer_agreement WHERE agreement_no = %s",
        payment.agreement_no,
    )
    assert spent["spent_amount"] == taken
