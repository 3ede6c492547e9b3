"""Proposing a new fee contract, by a confirmed act on the merchant's page; another person must approve it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from acquiring.business_calendar import MAX_SETTLEMENT_DAYS
from acquiring.fee_terms import MAX_RATE_PPM
from acquiring.models import Merchant
from paymentplatform.kernel.admin import ReasonForm, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_forms import MillionthsField


class ContractForm(ReasonForm):
    """The whole contract: nothing is taken over from the one before but what stands here."""

    rate_ppm = MillionthsField(label=_("Rate (millionths)"), max_value=MAX_RATE_PPM)
    terms = forms.JSONField(
        label=_("Terms"),
        help_text=_(
            "Other prices for a method, a currency or both, minimum and maximum in minor units: "
            '[{"method": "BANK_CARD", "currency": "CNY", "rate_ppm": 9000, "minimum": 10}]'
        ),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    returned_on_refund = forms.BooleanField(
        label=_("Returned on refund"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    settlement_days = forms.IntegerField(
        label=_("Business days to release"),
        min_value=0,
        max_value=MAX_SETTLEMENT_DAYS,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    valid_from = forms.DateTimeField(
        label=_("From; empty: now"), required=False, widget=UnfoldAdminTextInputWidget()
    )
    field_order = [
        "rate_ppm",
        "terms",
        "returned_on_refund",
        "settlement_days",
        "valid_from",
        "reason",
    ]

    @classmethod
    def read_initial(cls, obj: Merchant) -> dict[str, Any]:
        """Begin with the newest contract."""
        newest = obj.fee_contracts.order_by("-valid_from").first()
        if newest is None:
            return {}
        return {
            "rate_ppm": newest.rate_ppm,
            "terms": newest.terms or [],
            "returned_on_refund": newest.returned_on_refund,
            "settlement_days": newest.settlement_days,
        }


class ContractsOfMerchant:
    """The act, for the merchant's page."""

    @confirmed_action(
        description=_("Propose a fee contract"),
        permission="console.propose_fee_contract",
        url_path="propose-fee-contract",
        icon="percent",
        form=ContractForm,
        service_audits=True,
        foretell=lambda _merchant: say("Orders that exist keep the contract they were made under."),
    )
    def propose_fee_contract(
        self,
        *,
        object_no: str,
        operator: Any,
        reason: str,
        rate_ppm: int,
        terms: Any,
        returned_on_refund: bool,
        settlement_days: int,
        valid_from: datetime | None,
    ) -> str:
        """Propose other prices; another person must agree to them."""
        return submit_proposal(
            kind="fee_contract",
            payload={
                "merchant_no": object_no,
                "rate_ppm": rate_ppm,
                "terms": terms or [],
                "returned_on_refund": returned_on_refund,
                "settlement_days": settlement_days,
                "valid_from": valid_from.isoformat() if valid_from else None,
            },
            operator=operator,
            reason=reason,
        )
