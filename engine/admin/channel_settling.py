"""Proposing what a channel paid into our bank account, by a confirmed act on the channel's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from ledger import api as ledger
from ledger.contracts import AccountKind
from paymentplatform.kernel.admin import ReasonForm, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_forms import MinorUnitsField
from paymentplatform.kernel.money import CURRENCY_EXPONENTS, format_amount


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


def tell_owed(channel: Any) -> str:
    """Say, below the form, what the channel owes by our books."""
    accounts = ledger.list_owner_balances(owner=channel.pk, kinds=(AccountKind.CHANNEL_RECEIVABLE,))
    balances = ((view.balance, view.account_code[-3:]) for view in accounts)
    owed = [
        f"{format_amount(amount, currency)} {currency}" for amount, currency in balances if amount
    ]
    return say("By our books it owes: %s.") % (", ".join(owed) or "–")


class SettlementsOfChannel:
    """The act, for the channel's page."""

    @confirmed_action(
        description=_("Propose what it settled"),
        permission="console.propose_channel_settlement",
        url_path="propose-settlement",
        icon="account_balance",
        form=SettlementForm,
        service_audits=True,
        foretell=tell_owed,
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
