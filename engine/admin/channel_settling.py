"""Proposing what a channel paid into our bank account, by a confirmed act on the channel's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from paymentplatform.kernel.admin import ReasonForm, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_forms import MinorUnitsField
from paymentplatform.kernel.money import CURRENCY_EXPONENTS


class SettlementForm(ReasonForm):
    """What the channel no longer owes, what it kept of it, and by which of the bank's numbers the rest came."""

    gross = MinorUnitsField(label=_("What the channel no longer owes, in minor units"))
    cost = MinorUnitsField(label=_("What it kept of that, in minor units"), min_value=0)
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(code, code) for code in CURRENCY_EXPONENTS],
        initial="CNY",
        widget=UnfoldAdminSelectWidget(),
    )
    reference = forms.CharField(
        label=_("Reference, such as the bank's number; good once"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ["gross", "cost", "currency", "reference", "reason"]


class SettlementsOfChannel:
    """The act, for the channel's page."""

    @confirmed_action(
        description=_("Propose what it settled"),
        permission="console.propose_channel_settlement",
        url_path="propose-settlement",
        icon="account_balance",
        form=SettlementForm,
        service_audits=True,
    )
    def propose_settlement(
        self,
        *,
        object_no: str,
        operator: Any,
        reason: str,
        gross: int,
        cost: int,
        currency: str,
        reference: str,
    ) -> str:
        """Propose the journal of money that came from a channel; another person must agree to it."""
        return submit_proposal(
            kind="channel_settlement",
            payload={
                "channel_code": object_no,
                "currency": currency,
                "gross": gross,
                "cost": cost,
                "reference": reference,
            },
            operator=operator,
            reason=reason,
        )
