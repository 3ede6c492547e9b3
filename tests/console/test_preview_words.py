"""What a proposal does is read by people: no field's name, no minor units, no code alone, in either language."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils.translation import override

from engine.late_money import LateMoneyReason
from engine.statement_contracts import DifferenceKind, Resolution
from paymentplatform.console.admin.preview_words import name_effect, show_effect
from paymentplatform.kernel import admin_codes
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
    ("resolution", "WITHDRAWN", "the channel took it back", "渠道"),
    ("rest_changed", "otherwise, costs", "what else happens, costs", "其他情况, 成本"),
    ("returned_on_refund", "no", "no", "否"),
    ("roles", "– → support, risk", "– → Support, Risk", "– → 客服, 风控"),
    ("secret", "collected once, by its proposer", "collected once", "仅一次"),
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
        if path.name in {"posting_rules.py", "settlement_rules.py"}
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
