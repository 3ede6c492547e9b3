"""A process is killed while it takes sets of successes: each order was paid once, or nothing of it was written."""

from __future__ import annotations

import random

import pytest

from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.concurrency.test_losing_a_group import ROUNDS, run_until_killed
from tests.engine.scripted import ScriptedChannel
from tests.engine.test_plain_successes import Case, assert_paid_once, plain_cases

SUCCESSES = 16
TELLER = """
import json, sys, threading, django
django.setup()
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.engine.scripted import charged
gate = threading.Barrier(8, action=lambda: print("begun", flush=True))
def bring_in(mine):
    gate.wait()
    for attempt_no, trade_no in mine:
        answer = charged(10_00, trade_no=trade_no)
        apply_attempt_outcome(attempt_no=attempt_no, answer=answer, cause=Cause.CALLBACK)
        print(attempt_no, flush=True)
told = json.loads(sys.argv[1])
threads = [threading.Thread(target=bring_in, args=[told[at::8]]) for at in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.timeout(600)
def test_a_process_killed_around_a_commit_has_taken_each_success_once_or_not_at_all(
    channels: tuple[ScriptedChannel, ScriptedChannel],
):
    dice = random.Random()
    for _ in range(ROUNDS):
        cases = plain_cases(SUCCESSES)
        said = run_until_killed(
            TELLER,
            [[case.attempt_no, case.answer.channel_trade_no] for case in cases],
            after_s=dice.uniform(0, 0.05),
            calling="acquiring_take_successes",
        )
        for case in cases:
            was_paid = is_whole(case)
            assert was_paid or case.attempt_no not in said
            applied = apply_attempt_outcome(
                attempt_no=case.attempt_no, answer=case.answer, cause=Cause.INQUIRY
            )
            assert applied.effect == ("repeated" if was_paid else "paid")
            assert_paid_once(case)


def is_whole(case: Case) -> bool:
    """Whether it was taken, with all that belongs to it; else nothing of it is there."""
    is_paid = case.trade.order()["status"] == "SUCCESS"
    if is_paid:
        assert_paid_once(case)
    assert [paid["status"] for paid in case.trade.payments()] == ["PAID" if is_paid else "PAYING"]
    assert [tried["status"] for tried in case.trade.attempts()] == [
        "SUCCEEDED" if is_paid else "PENDING"
    ]
    assert case.trade.event_types() == (["order.success"] if is_paid else [])
    assert case.trade.merchant_balance() == (10_00 if is_paid else 0)
    return is_paid
