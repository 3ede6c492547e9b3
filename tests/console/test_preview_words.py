"""What a proposal does is read by people: no field's name, no minor units, no code alone, in either language."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils.translation import override

from engine.late_money import LateMoneyReason
from engine.statement_contracts import DifferenceKind, Resolution
from paymentplatform.console.action_words import name_action
from paymentplatform.console.admin.preview_words import name_effect, show_effect
from paymentplatform.console.admin.right_words import name_right
from paymentplatform.kernel import admin_codes
from paymentplatform.kernel.roles import Role
from tests.architecture.sources import python_files

EFFECTS = [
    ("bank", "987 CNY", "9.87 CNY", "9.87 CNY"),
    ("difference", "-777 CNY", "-7.77 CNY", "-7.77 CNY"),
    ("forget_second_factor", "True", "yes", "是"),
    ("is_active", "True → False", "yes → no", "是 → 否"),
    ("kind", "late_money", "Late money", "迟到资金"),
    ("kind", "AMOUNT_OVER", "The channel says more", "渠道金额偏多"),
    ("merchant_name", "Tea House", "Tea House", "Tea House"),
    ("rate_ppm", "6000", "0.6 %", "0.6 %"),
    ("resolution", "WITHDRAWN", "which took it back", "渠道"),
    ("rest_changed", "otherwise, costs", "what else happens, costs", "其他情况, 成本"),
    ("returned_on_refund", "no", "no", "否"),
    ("roles", "– → support, risk", "– → Support, Risk", "– → 客服, 风控"),
    ("secret", "collected once, by its proposer", "collected once", "仅一次"),
    ("status", "OPEN", "what is left of it waits", "剩余部分"),
    ("status", "REFUNDING", "it goes back to its payer", "退还付款人"),
    (
        "term_1",
        "currency CNY, maximum 10000, method QR_CODE, minimum 10, rate_ppm 3000",
        "QR_CODE CNY: 0.3 %, at least 0.10 CNY, at most 100.00 CNY",
        "QR_CODE CNY: 0.3 %, 最低 0.10 CNY, 最高 100.00 CNY",
    ),
    ("valid_from", "on approval", "on approval", "批准时"),
]


@pytest.mark.parametrize(("name", "value", "english", "chinese"), EFFECTS)
def test_an_effect_is_read_in_both_languages(name: str, value: str, english: str, chinese: str):
    for language, words in (("en", english), ("zh-hans", chinese)):
        with override(language):
            title = name_effect(name)
            assert words in re.sub(r"<[^>]+>", " ", str(show_effect(name, value)))
            assert "_" not in title
            assert (language == "en") == title.isascii()


def test_a_document_is_laid_out():
    assert "\n" in str(show_effect("document", '{"rules": []}'))


def test_every_code_has_words():
    """Also those that a later release adds: the ledger's facts, differences, resolutions, reasons of late money."""
    drafts = "".join(
        path.read_text("utf-8")
        for path in python_files("ledger")
        if path.name.endswith("_rules.py")
    )
    facts = set(re.findall(r'JournalDraft\(\s*"([a-z_]+)"', drafts))
    facts |= set(re.findall(r'^        "([a-z]+(?:_[a-z]+)*)",$', drafts, re.MULTILINE))
    assert len(facts) > 20
    assert facts - set(admin_codes.FACTS) == set()
    names: list[tuple[Any, dict[str, Any]]] = [
        (DifferenceKind, admin_codes.DIFFERENCES),
        (Resolution, admin_codes.RESOLUTIONS),
        (LateMoneyReason, admin_codes.LATE_REASONS),
    ]
    for codes, words in names:
        assert {str(code) for code in codes} == set(words)


@pytest.mark.parametrize(
    ("detail", "chinese"),
    [
        ("said 9.99 CNY, ours 10.00 CNY", "渠道为 9.99 CNY，我方为 10.00 CNY"),
        ("said 9.99 CNY after its end", "结束之后渠道又称 9.99 CNY"),
        ("still UNKNOWN after 30 inquiries", "查询 30 次后仍为 UNKNOWN"),
        ("its refund rfd_1 failed: refund_refused", "其退款 rfd_1 失败：refund_refused"),
        ("amount_mismatch", "渠道扣款金额不符"),
        ("the channel's own words {x}", "the channel's own words {x}"),
    ],
)
def test_a_case_tells_in_the_operators_language(detail: str, chinese: str):
    with override("zh-hans"):
        assert admin_codes.tell(detail) == chinese
    with override("en"):
        assert detail.endswith("{x}") or admin_codes.tell(detail) != chinese


def test_every_act_in_the_audit_log_and_every_callback_has_words():
    effects, actions = set(), set()
    for path in python_files("engine", "paymentplatform", "acquiring", "checkout", "ledger"):
        source = path.read_text("utf-8")
        if "services" in path.parts and "engine" in path.parts:
            effects |= set(re.findall(r'(?:Applied\(|effect=)"([a-z_]+)"', source))
        if "record_operator_action" in source or "audit_trail" in source:
            actions |= set(re.findall(r'action="([a-z_]+)"', source))
    assert len(effects) > 8
    assert {code for code in effects if admin_codes.name_code(code) == code} == set()
    assert len(actions) > 8
    with override("zh-hans"):
        assert {action for action in actions if str(name_action(action)) == action} == set()
        assert "提出" in name_action("propose_decision")
        assert "结果" in name_action("close_result")
        assert name_action("of_a_later_release") == "of_a_later_release"


def test_what_a_role_permits_is_read_in_the_operators_language():
    with override("zh-hans"):
        rights = Permission.objects.filter(group__name__in=[role.value for role in Role]).distinct()
        said = {right.codename: name_right(right) for right in rights}
    assert len(said) > 60
    assert {code: words for code, words in said.items() if words.isascii()} == {}
    assert said["view_tradeorder"] == "查看：订单"
    assert "关闭" in said["change_tradeorder"]
    assert said["approve_refund"] == "批准或拒绝：退款"
