"""What risk asks operators: a rule, and an entry of a list."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from checkout.models import RiskRule
from checkout.risk.facts import Subject
from checkout.risk.rules import HARD_BLOCK, RuleAction, RuleMode
from paymentplatform.kernel.admin import ReasonForm


class RuleForm(ReasonForm):
    """A rule, new or changed."""

    name = forms.CharField(label=_("Name"), max_length=64, widget=UnfoldAdminTextInputWidget())
    action = forms.ChoiceField(
        label=_("What it does"),
        choices=[(one.value, one.value) for one in RuleAction],
        widget=UnfoldAdminSelectWidget(),
    )
    mode = forms.ChoiceField(
        label=_("Mode"),
        help_text=_("SHADOW notes what it would do and decides nothing."),
        choices=[(one.value, one.value) for one in RuleMode],
        initial=RuleMode.SHADOW.value,
        widget=UnfoldAdminSelectWidget(),
    )
    conditions = forms.CharField(
        label=_("Conditions"),
        help_text=_(
            'JSON; all that is said must hold, such as {"currencies": ["CNY"], "amount_from": 500000} '
            "(minor units). docs/risk.md names every condition."
        ),
        required=False,
        max_length=10_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10}),
    )
    field_order = ["name", "action", "mode", "conditions", "reason"]

    @classmethod
    def read_initial(cls, obj: RiskRule) -> dict[str, Any]:
        """Show the rule as it is."""
        conditions = json.dumps(obj.conditions, indent=2, ensure_ascii=False)
        return {
            "name": obj.name,
            "action": obj.action,
            "mode": obj.mode,
            "conditions": conditions,
        }


class EntryForm(ReasonForm):
    """Who is put on which list, and until when."""

    list_name = forms.CharField(
        label=_("List"),
        help_text=_("hard_block is refused before any rule; other lists are for rules."),
        max_length=64,
        initial=HARD_BLOCK,
        widget=UnfoldAdminTextInputWidget(),
    )
    subject = forms.ChoiceField(
        label=_("Who"),
        choices=[(one.value, one.value) for one in Subject],
        widget=UnfoldAdminSelectWidget(),
    )
    value = forms.CharField(
        label=_("Value"),
        help_text=_(
            "A payer or merchant number, a card as decisions name it, an address or network."
        ),
        max_length=128,
        widget=UnfoldAdminTextInputWidget(),
    )
    expires_at = forms.SplitDateTimeField(
        label=_("Until"),
        help_text=_("Empty: until somebody takes it off."),
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
    )
    field_order = ["list_name", "subject", "value", "expires_at", "reason"]
