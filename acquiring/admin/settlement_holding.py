"""Placing a risk hold, by a confirmed act on the merchant's page; its end needs two people (``admin/settlement``)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from acquiring.services.settlement_holds import place_settlement_hold
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReasonForm, confirmed_action
from paymentplatform.kernel.roles import Role


class HoldForm(ReasonForm):
    """What is held, and why."""

    order_no = forms.CharField(
        label=_("Order number"),
        help_text=_("Empty: all of the merchant's money, and no payout leaves."),
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ["order_no", "reason"]


class HoldsOfMerchant:
    """The act, for the merchant's page."""

    @confirmed_action(
        description=_("Hold its settlement"),
        permission="acquiring.add_settlementhold",
        roles=(Role.RISK, Role.ACCOUNTANT),
        url_path="place-settlement-hold",
        icon="pause_circle",
        form=HoldForm,
        foretell=lambda _merchant: say(
            "Nothing more becomes available until two people lift the hold."
        ),
    )
    def place_settlement_hold(
        self, *, object_no: str, operator: Any, reason: str, order_no: str
    ) -> str:
        """Hold the money of the merchant, or of one order; held already: the hold that stands."""
        hold_no = transactions.join(place_settlement_hold)(
            merchant_no=object_no,
            order_no=order_no.strip() or None,
            operator=operator.get_username(),
            reason=reason,
        )
        return say("Held as %s.") % hold_no
