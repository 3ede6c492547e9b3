"""A whole day over HTTP, with the real institution: orders, late money, refunds, a statement that lies, settlement.

It ends with nothing in suspense, nothing short, nothing owed by the channel, and books that prove.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.live import SHORTER_SCHEDULES, LiveMerchant, LivePlatform, live_platform
from tests.statements import write_statement
from tests.waiting import wait_until

CHANNEL = "sandbox"
ACCOUNTS = {kind: f"{kind}:{CHANNEL}:CNY" for kind in ("A10", "A90", "L30", "L90", "X10")}
AMOUNT, PULLED = 30_00, 20_00
LIES = ("statement_missing", "statement_extra", "statement_amount_differs")


@pytest.fixture
def own_platform() -> Iterator[LivePlatform]:
    """A platform whose institution and books nobody else has touched."""
    schedules = {**SHORTER_SCHEDULES, "PLATFORM_TEST_RECONCILE_DAYS_BACK": "3"}
    with live_platform(schedules=schedules) as platform:
        yield platform


def pay_by_card(merchant: LiveMerchant, scenario: str = "success") -> str:
    """An order that the institution charges at once; returns its number."""
    order_no = merchant.create(amount=AMOUNT)["order_no"]
    paid = merchant.pay(order_no, "BANK_CARD", card_token=f"tok_{scenario}")
    assert paid["status"] == "PAID", paid
    return str(order_no)


def close_too_early(merchant: LiveMerchant) -> None:
    """Close an order at an institution that charges all the same."""
    metadata = {"sandbox_scenario": "success_after_close"}
    order_no = merchant.create(amount=AMOUNT, metadata=metadata)["order_no"]
    merchant.pay(order_no)
    assert merchant.api.post(f"orders/{order_no}/close").json()["status"] == "CLOSED"


def refund(merchant: LiveMerchant, order_no: str, amount: int) -> None:
    """Refund a part and wait until it is done."""
    body = {"order_no": order_no, "merchant_refund_no": "R-1", "amount": amount}
    refund_no = merchant.api.post("refunds", json=body).json()["refund_no"]
    wait_until(
        lambda: merchant.api.get(f"refunds/{refund_no}").json()["status"] == "SUCCESS",
        45.0,
        what=refund_no,
    )


def reconcile(platform: LivePlatform, day: date, *more: str) -> dict[str, Any]:
    """Run the command; returns its document with the exit code as ``code``."""
    arguments = ["--channel", CHANNEL, "--date", str(day), "--json", *more]
    code, output = platform.manage("reconcile_channel", *arguments)
    return {"code": code} | json.loads(output)


def balances(platform: LivePlatform) -> dict[str, int]:
    """What stands on the channel's accounts."""
    return {kind: platform.balance(code) for kind, code in ACCOUNTS.items()}


def test_a_day_ends_with_nothing_in_suspense(own_platform: LivePlatform, tmp_path: Path):
    platform = own_platform
    merchant = platform.merchant(fee_rate_ppm=6_000)
    day = (datetime.now(UTC) + timedelta(hours=8)).date()

    # Trade: cards, a balance, three charges about which the file will lie, money after a close, a refund.
    close_too_early(merchant)
    cards = [pay_by_card(merchant) for _ in range(3)]
    for scenario in LIES:
        pay_by_card(merchant, scenario)
    balance_order = merchant.create()["order_no"]
    token = merchant.payer_token(platform.payer())
    assert merchant.pay(balance_order, "BALANCE", payer_token=token)["status"] == "PAID"
    refund(merchant, cards[0], 12_00)
    wait_until(
        lambda: (
            [one["status"] for one in merchant.api.get("late-money").json()["data"]] == ["REFUNDED"]
        ),
        45.0,
        what="late money REFUNDED",
    )
    assert balances(platform) == {"A10": 6 * AMOUNT - 12_00, "A90": 0, "L30": 0, "L90": 0, "X10": 0}
    chargeback_no = platform.pull_back(cards[1], PULLED)

    # The institution's own file of the day, twice: the second time nothing is new.
    found = reconcile(platform, day)
    assert {kind: entry["count"] for kind, entry in found["differences"].items()} == {
        "CHANNEL_ONLY": 2,
        "AMOUNT_OVER": 1,
    }
    assert (found["code"], found["waiting"], found["unresolved"]) == (1, 1, 2)
    assert_pulled_back(platform, merchant, cards[1], chargeback_no)
    assert found["imported"]["source"] == "FETCHED"
    again = reconcile(platform, day)
    assert (again["new"], again["settled"], again["imported"]["repeated"]) == (0, 0, True)
    assert balances(platform)["L90"] == AMOUNT + 1
    assert_pulled_back(platform, merchant, cards[1], chargeback_no)
    assert platform.prove()["code"] == 0

    # Three more days without the missing charge: now it is short.
    for later in (day + timedelta(days=number) for number in (1, 2, 3)):
        platform.clock.advance(86_400)
        path = write_statement(tmp_path, later, [])
        found = reconcile(platform, later, "--file", str(path))
    assert found["differences"]["PLATFORM_ONLY"]["difference"] == {"CNY": -AMOUNT}
    assert balances(platform)["A90"] == AMOUNT
    assert platform.prove()["code"] == 0

    # Two people end what is left, and book what the channel has paid into the bank.
    rows = platform.sql("SELECT * FROM engine_discrepancy WHERE status = 'OPEN'")
    decisions = {
        "CHANNEL_ONLY": "WITHDRAWN",
        "AMOUNT_OVER": "CREDITED",
        "PLATFORM_ONLY": "WRITTEN_OFF",
    }
    for row in rows:
        payload = {"discrepancy_no": row["discrepancy_no"], "resolution": decisions[row["kind"]]}
        platform.do("decide", kind="discrepancy_resolution", payload=payload)
    owed = platform.balance(ACCOUNTS["A10"])
    assert owed == 6 * AMOUNT - 12_00 - PULLED - AMOUNT + 1
    settlement = {
        "channel_code": CHANNEL,
        "currency": "CNY",
        "gross": owed,
        "cost": 18,
        "reference": str(day),
    }
    platform.do("decide", kind="channel_settlement", payload=settlement)

    for days in range(4):
        done = reconcile(platform, day + timedelta(days=days), *_same_file(tmp_path, day, days))
        assert (done["code"], done["unresolved"], done["new"]) == (0, 0, 0)
    assert balances(platform) == {"A10": 0, "A90": 0, "L30": 0, "L90": 0, "X10": 18}
    assert platform.balance("X90:platform:CNY") == AMOUNT

    # The merchant's money is released, paid out, and the bank has paid it.
    earned = 6 * AMOUNT - 12_00 - PULLED + 10_00 + 1 - platform.balance("I10:platform:CNY")
    assert (
        merchant.balance() == earned + PULLED
    )  # pending; what was pulled back is netted by the release
    platform.clock.advance(5 * 86_400)
    payout = wait_until(lambda: settle(platform, earned), 30.0, what=f"a payout of {earned}")
    platform.do("decide", kind="payout_sending", payload={"payout_no": payout["payout_no"]})
    result = {"payout_no": payout["payout_no"], "bank_reference": "B-1", "failure_code": ""}
    platform.do("decide", kind="payout_result", payload=result)
    left = {
        kind: platform.balance(f"{kind}:{merchant.merchant_no}:CNY")
        for kind in ("L20", "L21", "L22")
    }
    assert left == {"L20": 0, "L21": 0, "L22": 0}

    # The clock has asked for files that the institution cannot have: people are told, until one is brought.
    assert platform.do("reconcile_due_days") == 0
    missing = day + timedelta(days=5)
    assert f"{CHANNEL} {missing}" in told_missing(platform)
    reconcile(platform, missing, "--file", str(write_statement(tmp_path, missing, [])))
    assert f"{CHANNEL} {missing}" not in told_missing(platform)
    proof = platform.prove()
    assert (proof["code"], proof["differences"]) == (0, [])


def assert_pulled_back(
    platform: LivePlatform, merchant: LiveMerchant, order_no: str, chargeback_no: str
) -> None:
    """The chargeback is booked once against its merchant, and only what it left can be refunded; the order stays."""
    rows = platform.sql(
        "SELECT * FROM engine_chargeback WHERE channel_trade_no = %s", chargeback_no
    )
    assert [(row["order_no"], row["amount"]) for row in rows] == [(order_no, PULLED)]
    assert platform.balance(f"L21:{merchant.merchant_no}:CNY") == -PULLED
    body = {"order_no": order_no, "merchant_refund_no": "R-2", "amount": AMOUNT - PULLED + 1}
    refused = merchant.api.post("refunds", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "refund_exceeds_paid")
    order = merchant.order(order_no)
    assert (order["status"], order["refunded_amount"]) == ("SUCCESS", 0)


def settle(platform: LivePlatform, earned: int) -> dict[str, Any] | None:
    """Settle and return the payout of all that was earned, once the newest postings are collected too.

    Collecting stops at the oldest transaction of the whole server, so another database's may put the last one off.
    """
    assert platform.manage("settle_merchants", "--json")[0] == 0
    (payout,) = platform.sql("SELECT * FROM acquiring_payout WHERE status = 'CREATED'")
    return payout if payout["amount"] == earned else None


def told_missing(platform: LivePlatform) -> set[str]:
    """Channel and day of each file that people still have to look for."""
    found = platform.sql(
        "SELECT object_no FROM engine_case WHERE kind = 'statement_missing' AND status = 'OPEN'"
    )
    return {row["object_no"] for row in found}


def _same_file(folder: Path, day: date, days: int) -> list[str]:
    """The files that were brought; the day's own counts as it is."""
    if days == 0:
        return []
    return ["--file", str(write_statement(folder, day + timedelta(days=days), []))]
