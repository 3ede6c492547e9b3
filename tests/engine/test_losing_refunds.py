"""A process is killed while it accepts sets of refunds: each was accepted once, or nothing of it was written."""

from __future__ import annotations

import random

import msgspec
import pytest

from acquiring.services.refunds import create_refund
from tests.concurrency.test_losing_a_group import ROUNDS, run_until_killed
from tests.engine.scripted import ScriptedChannel
from tests.engine.test_plain_refunds import AMOUNT, assert_refunded_once, plain_case

REFUNDS = 16
ASKER = """
import json, sys, threading, django
django.setup()
import msgspec
from acquiring.contracts import CreateRefund, MerchantIdentity
from acquiring.services.refunds import create_refund
gate = threading.Barrier(8, action=lambda: print("begun", flush=True))
def ask(mine):
    gate.wait()
    for merchant, body in mine:
        create_refund(
            body=msgspec.convert(body, CreateRefund), merchant=msgspec.convert(merchant, MerchantIdentity)
        )
        print(body["order_no"], flush=True)
asked = json.loads(sys.argv[1])
threads = [threading.Thread(target=ask, args=[asked[at::8]]) for at in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.timeout(600)
def test_a_process_killed_around_a_commit_has_accepted_each_refund_once_or_not_at_all(
    channels: tuple[ScriptedChannel, ScriptedChannel],
):
    dice = random.Random()
    for _ in range(ROUNDS):
        cases = [plain_case(paid_by="balance") for _ in range(REFUNDS)]
        said = run_until_killed(
            ASKER,
            [msgspec.to_builtins((case.trade.merchant, case.body)) for case in cases],
            after_s=dice.uniform(0, 0.05),
            calling="acquiring_accept_plain_refunds",
        )
        for case in cases:
            order_no, was_made = case.trade.order_no, bool(case.trade.refunds())
            assert was_made or order_no not in said
            if not was_made:
                assert case.trade.order()["refunding_amount"] == 0
                assert case.trade.merchant_balance() == AMOUNT
            made, _refund = create_refund(body=case.body, merchant=case.trade.merchant)
            assert made != was_made
            assert_refunded_once(case, amount=3_33)
