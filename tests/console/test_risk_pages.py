"""Risk for operators: rules and lists are changed with a reason, reviews decided by POST, all of it audited."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from acquiring.contracts import Method
from acquiring.models import TradeOrder
from checkout.contracts import RiskPending
from checkout.models import RiskDecision, RiskListEntry, RiskReview, RiskRule
from checkout.services.risk_rules import create_rule
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.makers import make_payer, make_payer_token
from tests.trading import make_trade

NEW_RULE = reverse("admin:checkout_riskrule_changelist") + "new/"
NEW_ENTRY = reverse("admin:checkout_risklistentry_changelist") + "new/"
RULE = {
    "name": "Night",
    "action": "BLOCK",
    "mode": "SHADOW",
    "conditions": '{"merchants": ["mch_nobody"], "hours": {"from": "23:00", "to": "06:00"}}',
    "reason": "as agreed",
}


@pytest.fixture
def keeper(unit_database: str) -> Client:
    """An operator who may do what the role risk does."""
    rights = [
        f"checkout.{verb}_{model}"
        for model in ("riskrule", "risklistentry", "riskreview", "riskdecision")
        for verb in ("view", "add", "change")
    ]
    return log_in(operator_with(*rights))


def newest(model: Any) -> Any:
    return model.objects.order_by("-pk").first()


def test_a_rule_is_made_and_changed_with_a_reason(keeper: Client):
    before = RiskRule.objects.count()
    assert keeper.get(NEW_RULE).status_code == 200
    assert RiskRule.objects.count() == before
    answer = keeper.post(NEW_RULE, RULE)
    made = newest(RiskRule)
    assert (answer.status_code, answer["Location"]) == (302, page(RiskRule, "change", made.pk))
    line = AuditLog.objects.get(object_no=made.pk)
    assert (line.action, line.reason) == ("create_rule", "as agreed")
    assert line.after["conditions"]["merchants"] == ["mch_nobody"]
    change = act_page(RiskRule, made.pk, "change-rule")
    shown = keeper.get(change).content.decode()
    assert "23:00" in shown
    keeper.post(change, RULE | {"mode": "ENFORCED", "reason": "seen enough"})
    changed = RiskRule.objects.get(pk=made.pk)
    assert (changed.mode, changed.revision) == ("ENFORCED", 2)
    line = AuditLog.objects.filter(object_no=made.pk).order_by("-pk").first()
    assert (line.before["mode"], line.after["mode"]) == ("SHADOW", "ENFORCED")
    assert "23:00" in keeper.get(page(RiskRule, "change", made.pk)).content.decode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reason": ""}, "reason"),
        ({"conditions": '{"colour": "red"}'}, "colour"),
        ({"conditions": "{}"}, "always holds"),
        ({"action": "SHOOT"}, "action"),
    ],
)
def test_a_rule_that_is_wrong_is_told_so_and_not_made(
    keeper: Client, change: dict[str, str], told: str
):
    before = (RiskRule.objects.count(), AuditLog.objects.count())
    answer = keeper.post(NEW_RULE, RULE | change)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert (RiskRule.objects.count(), AuditLog.objects.count()) == before


def test_whoever_may_only_look_adds_nothing(unit_database: str):
    viewer = log_in(operator_with("checkout.view_riskrule", "checkout.view_risklistentry"))
    before = (RiskRule.objects.count(), RiskListEntry.objects.count())
    assert viewer.post(NEW_RULE, RULE).status_code == 403
    assert viewer.post(NEW_ENTRY, {}).status_code == 403
    assert Client().post(NEW_RULE, RULE).status_code in {302, 403}
    assert (RiskRule.objects.count(), RiskListEntry.objects.count()) == before


def test_an_entry_is_put_on_a_list_and_taken_off(keeper: Client):
    value = numbers.new_number(numbers.PAYER)
    entry = {"list_name": "hard_block", "subject": "PAYER", "value": value, "reason": "stolen"}
    assert keeper.post(NEW_ENTRY, entry).status_code == 302
    made = newest(RiskListEntry)
    assert (made.value, made.removed_at) == (value, None)
    wrong = keeper.post(NEW_ENTRY, entry | {"value": "somebody"})
    assert "pyr_" in wrong.content.decode()
    off = act_page(RiskListEntry, made.pk, "remove")
    keeper.post(off, {"reason": "found"})
    assert RiskListEntry.objects.get(pk=made.pk).removed_at is not None
    lines = AuditLog.objects.filter(object_no=made.pk).order_by("pk")
    assert [(line.action, line.reason) for line in lines] == [
        ("list_subject", "stolen"),
        ("unlist_subject", "found"),
    ]
    keeper.post(off, {"reason": "again"})
    assert lines.count() == 2


@pytest.mark.parametrize(("path", "ends"), [("approve", "APPROVED"), ("reject", "REJECTED")])
def test_a_review_is_decided_by_post_with_a_reason(keeper: Client, path: str, ends: str):
    trade = make_trade()
    merchant_no = trade.merchant.merchant_no
    conditions = json.dumps({"merchants": [merchant_no], "methods": ["BALANCE"]})
    create_rule(name="look", action="REVIEW", mode="ENFORCED", conditions=conditions)
    payer_no = make_payer()
    token = make_payer_token(payer_no=payer_no, merchant_no=merchant_no)
    with pytest.raises(RiskPending):
        trade.pay(Method.BALANCE, payer_token=token)
    review = RiskReview.objects.get(order_no=trade.order_no)
    act = act_page(RiskReview, review.pk, path)
    asked = keeper.get(act).content.decode()
    assert payer_no in asked
    keeper.post(act, {"reason": ""})
    assert RiskReview.objects.get(pk=review.pk).status == "PENDING"
    before = trade.footprint()
    keeper.post(act, {"reason": "looked at"})
    assert RiskReview.objects.get(pk=review.pk).status == ends
    assert trade.footprint() == before
    line = AuditLog.objects.get(object_no=review.pk)
    assert (line.action, line.reason) == (f"{path}_review", "looked at")
    decision = RiskDecision.objects.get(order_no=trade.order_no)
    shown = keeper.get(page(RiskDecision, "change", decision.pk)).content.decode()
    assert payer_no in shown
    viewer = log_in(operator_with("acquiring.view_tradeorder"))
    told = viewer.get(page(TradeOrder, "change", trade.order_no)).content.decode()
    assert all(part in told for part in (decision.outcome, decision.reason, decision.fired[0][0]))
