"""Draft rules on what has happened: what would have changed, for how much money, at which cost; nothing is written."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from acquiring.contracts import Method
from checkout.contracts import RiskRejected
from checkout.models import RiskDecision, RiskRule, RouteBookVersion
from checkout.rehearsal import RiskRehearsal
from checkout.risk.counting import ReplayedCounters
from checkout.risk.deciding import Counter
from checkout.services.rehearsals import read_draft, rehearse
from checkout.services.risk_rules import load_rules
from checkout.services.velocity import count_tries
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest
from tests.checkout.test_risk import channel, rule, token_for
from tests.checkout.test_risk_deciding import FACTS
from tests.engine.scripted import ScriptedChannel
from tests.trading import Trade, make_identity, make_trade

__all__ = ["channel"]


def command(*arguments: str) -> tuple[int, str]:
    """Run the command; (exit code, what it wrote)."""
    written = io.StringIO()
    try:
        call_command("rehearse_rules", *arguments, stdout=written, stderr=written)
    except SystemExit as stopped:
        return int(stopped.code or 0), written.getvalue()
    return 0, written.getvalue()


def mine(merchant_no: str, **changes: Any) -> str:
    """A draft with one rule for one merchant, so that other tests' decisions stay as they are."""
    rule = {
        "name": "draft",
        "action": "BLOCK",
        "mode": "ENFORCED",
        "when": {"merchants": [merchant_no]},
    }
    when = rule["when"] | changes.pop("when", {})
    return json.dumps({"risk": {"rules": [rule | changes | {"when": when}]}})


def about(found: dict[str, Any], *trades: Trade) -> dict[str, Any]:
    """What the examples say about these orders."""
    orders = {trade.order_no for trade in trades}
    return {
        one["order_no"]: (one["from"], one["to"])
        for one in found["risk"]["examples"]
        if one["order_no"] in orders
    }


def rehearsal_of(draft: str, merchant_no: str) -> RiskRehearsal:
    """The rehearsal of one merchant's decisions alone: other tests leave theirs in the same table."""
    rules = read_draft(text=draft).rules
    assert rules is not None
    rehearsal = RiskRehearsal(rules)
    rows = RiskDecision.objects.filter(facts__merchant=merchant_no).order_by("id")
    for row in rows:
        facts = msgspec.convert(row.facts, type(FACTS))
        rehearsal.judge(facts, outcome=row.outcome, order_no=row.order_no)
    return rehearsal


def paid_trades(count: int, *, amount: int = 10_00) -> list[Trade]:
    """Orders of one merchant, each paid from one payer's balance."""
    merchant, options, made = make_identity(), {}, []
    for _ in range(count):
        trade = make_trade(merchant=merchant, amount=amount)
        options = options or token_for(trade)
        assert trade.pay(Method.BALANCE, **options).status == "PAID"
        made.append(trade)
    return made


def test_what_a_block_would_have_stopped(tmp_path: Path):
    trades = paid_trades(3)
    merchant_no = trades[0].merchant.merchant_no
    before = (RiskDecision.objects.count(), RiskRule.objects.count(), load_rules().version)
    found = rehearsal_of(mine(merchant_no), merchant_no).found.as_document()
    assert (found["decisions"], found["changed"]) == (3, 3)
    assert found["changes"] == [
        {
            "from": "ALLOW",
            "to": "BLOCK",
            "currency": "CNY",
            "decisions": 3,
            "orders": 3,
            "amount": 30_00,
        }
    ]
    path = tmp_path / "draft.yaml"
    path.write_text(mine(merchant_no), encoding="utf-8")
    code, text = command(str(path), "--days", "1", "--json")
    assert code == 0
    changes = json.loads(text)["risk"]["changes"]
    assert sum(change["amount"] for change in changes if change["to"] == "BLOCK") >= 30_00
    code, text = command(str(path), "--days", "1")
    assert (code, "would change" in text) == (0, True)
    assert (RiskDecision.objects.count(), RiskRule.objects.count(), load_rules().version) == before


def test_a_window_that_nobody_counted_is_counted_again():
    trades = paid_trades(4)
    merchant_no = trades[0].merchant.merchant_no
    limit = {"velocity": {"subject": "PAYER", "over": 2, "window_s": 2_592_000}}
    rehearsal = rehearsal_of(mine(merchant_no, when=limit), merchant_no)
    assert rehearsal.found.changed == 2
    assert [one["order_no"] for one in rehearsal.found.examples] == [
        trade.order_no for trade in trades[2:]
    ]


def test_an_order_that_was_tried_often_counts_once():
    trade = make_trade()
    rule(trade, "BLOCK", methods=["BALANCE"])
    options = token_for(trade)
    for _ in range(3):
        with pytest.raises(RiskRejected):
            trade.pay(Method.BALANCE, **options)
    merchant_no = trade.merchant.merchant_no
    found = rehearsal_of(mine(merchant_no, mode="OFF"), merchant_no).found.as_document()
    (change,) = found["changes"]
    assert (change["from"], change["to"]) == ("BLOCK", "ALLOW")
    assert (change["decisions"], change["orders"], change["amount"]) == (3, 1, 10_00)


def test_a_draft_in_shadow_changes_nothing_unless_enforced():
    (trade,) = paid_trades(1)
    merchant_no = trade.merchant.merchant_no
    draft = mine(merchant_no, mode="SHADOW")
    assert about(rehearse(draft=read_draft(text=draft), days=1), trade) == {}
    enforced = read_draft(text=draft, enforce=True)
    assert enforced.rules is not None
    assert [one.mode for one in enforced.rules.rules] == ["ENFORCED"]


def test_routing_says_who_would_come_first_and_at_which_cost(channel: ScriptedChannel):
    trade = make_trade(amount=100_00)
    versions = RouteBookVersion.objects.count()
    draft = {
        "routing": {
            "rules": [
                {
                    "name": "second",
                    "when": {"merchants": [trade.merchant.merchant_no]},
                    "use": {"channels": [{"channel": "scripted2"}]},
                }
            ],
            "costs": [
                {"channel": "scripted", "rate_ppm": 6_000},
                {"channel": "scripted2", "rate_ppm": 2_500},
            ],
        }
    }

    def rehearse_draft() -> tuple[dict[str, Any], int]:
        """The findings, and what the draft saves of the day's cost in CNY; other tests have paid this day, too."""
        found = rehearse(draft=read_draft(text=json.dumps(draft)), days=1)["routing"]
        yuan = [one for one in found["costs"] if one["currency"] == "CNY"]
        return found, sum(one["before_amount"] - one["after_amount"] for one in yuan)

    _, saved_without_it = rehearse_draft()
    trade.pay(Method.QR_CODE)
    found, saved = rehearse_draft()
    moved = [one for one in found["examples"] if one["order_no"] == trade.order_no]
    if found["changed"] <= 10:
        assert [(one["from"], one["to"], one["why"]) for one in moved] == [
            ("scripted", "scripted2", "second")
        ]
    assert saved - saved_without_it == 60_00 // 100 - 25_00 // 100
    assert RouteBookVersion.objects.count() == versions


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither"),
        ("risk: [", "YAML"),
        ("risk: {rules: [{name: a, action: SHOOT}]}", "SHOOT"),
        ("risk: {rules: [{name: a, action: BLOCK, when: {amount_from: 1}}]}", "currencies"),
        (
            "risk: {rules: [{name: a, action: BLOCK, when: {hours: {from: 23:00, to: 6:00}}}]}",
            "text",
        ),
        ("routing: {rules: 5}", "rules"),
        ("colour: red", "colour"),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str):
    path = tmp_path / "draft.yaml"
    path.write_text(text, encoding="utf-8")
    code, written = command(str(path))
    assert (code, told in written) == (2, True), written


def test_wrong_use():
    assert command()[0] == 2
    assert command("/no/such/draft.yaml")[0] == 2
    with pytest.raises(InvalidRequest):
        rehearse(draft=read_draft(text="risk: {}"), days=0)


def test_what_is_exported_can_be_rehearsed_and_changes_nothing(tmp_path: Path):
    trade = make_trade()
    rule(trade, "BLOCK", methods=["QR_CODE"], hours={"from": "23:00", "to": "06:00"})
    code, text = command("--export")
    assert code == 0
    draft = read_draft(text=text)
    assert draft.rules is not None
    stands = {(one.name, one.action, one.mode, one.when) for one in load_rules().rules}
    assert {(one.name, one.action, one.mode, one.when) for one in draft.rules.rules} == stands
    assert set(draft.rules.listed) == {
        entry.__class__(entry.list_name, entry.subject, entry.value)
        for entry in load_rules().listed
    }


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 50)), min_size=1, max_size=30))
def test_replayed_counters_never_count_less_than_the_window_nor_more_than_two(steps):
    at, counters, seen = 1_000_000, ReplayedCounters(), []
    for pause, adds in steps:
        at += pause
        seen.append((at, adds))
        counted = counters.count(Counter("x", 300, adds), at=at)
        this_slot = sum(n for t, n in seen if t // 300 == at // 300)
        last_slot = sum(n for t, n in seen if t // 300 == at // 300 - 1)
        assert this_slot <= counted <= this_slot + last_slot


def test_redis_and_replay_count_alike():
    name = numbers.new_number("cnt")
    counter = Counter(name, 86_400, 7)
    replayed = ReplayedCounters()
    for n in range(1, 4):
        assert count_tries([counter]) == {name: 7 * n}
        assert replayed.count(counter, at=1_000_000 + n) == 7 * n
    assert re.match(r"cnt_", name)
