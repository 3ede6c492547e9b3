"""Merchants and their keys for operators: looked at here, changed only by a confirmed act with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from acquiring.admin.cashier_look import LookOfMerchant
from acquiring.admin.dead_letters import DeadLettersOfMerchant
from acquiring.admin.endpoints import build_endpoint_table
from acquiring.admin.fee_contract_proposing import ContractsOfMerchant
from acquiring.admin.keys import KeysOfMerchant
from acquiring.admin.settlement_holding import HoldsOfMerchant
from acquiring.models import Merchant
from acquiring.services.merchants import (
    MAX_ASK_MINUTES,
    MAX_REFUND_DAYS,
    MAX_REFUNDS_PER_ORDER,
    change_merchant,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, confirmed_action
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    link_list,
)
from paymentplatform.kernel.roles import Role

_POLICIES = (
    (Merchant.LateMoneyPolicy.REFUND.value, _("REFUND: back to its payer at once")),
    (Merchant.LateMoneyPolicy.HOLD.value, _("HOLD: two operators decide")),
    (Merchant.LateMoneyPolicy.ASK.value, _("ASK: the merchant is asked first")),
)
_STATES = (
    (Merchant.Status.ACTIVE.value, _("ACTIVE: its requests are answered")),
    (Merchant.Status.DISABLED.value, _("DISABLED: its requests are refused")),
)


class MerchantForm(ReasonForm):
    """What may be changed of a merchant."""

    name = forms.CharField(label=_("Name"), max_length=128, widget=UnfoldAdminTextInputWidget())
    return_origins = forms.CharField(
        label=_("Return origins"),
        help_text=_("One scheme://host[:port] on each line; return_url must have one of them."),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    late_money_policy = forms.ChoiceField(
        label=_("Late money"),
        choices=_POLICIES,
        widget=UnfoldAdminSelectWidget(),
    )
    late_money_ask_minutes = forms.IntegerField(
        label=_("Minutes to answer"),
        help_text=_("With the policy ASK: then late money goes back to its payer."),
        min_value=1,
        max_value=MAX_ASK_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    max_refunds_per_order = forms.IntegerField(
        label=_("Refunds of one order at most"),
        help_text=_("Failed ones do not count; 0 lets none be refunded."),
        min_value=0,
        max_value=MAX_REFUNDS_PER_ORDER,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    refund_window_days = forms.IntegerField(
        label=_("Days to refund"),
        help_text=_("From the payment on, also for orders that are paid already."),
        min_value=0,
        max_value=MAX_REFUND_DAYS,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    rate_limit_per_s = forms.IntegerField(
        label=_("Requests a second"),
        help_text=_("Empty: the platform's default."),
        min_value=1,
        max_value=1_000_000,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    status = forms.ChoiceField(label=_("Status"), choices=_STATES, widget=UnfoldAdminSelectWidget())
    signed_only = forms.BooleanField(
        label=_("Signed requests only"),
        help_text=_("Refuses the merchant's Bearer keys at once; keys that sign go on."),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )
    field_order = [
        "name",
        "return_origins",
        "late_money_policy",
        "late_money_ask_minutes",
        "max_refunds_per_order",
        "refund_window_days",
        "rate_limit_per_s",
        "status",
        "signed_only",
        "reason",
    ]

    @classmethod
    def read_initial(cls, obj: Merchant) -> dict[str, Any]:
        """Show the merchant as it is."""
        return {
            "name": obj.name,
            "return_origins": "\n".join(obj.return_origins),
            "late_money_policy": obj.late_money_policy,
            "late_money_ask_minutes": obj.late_money_ask_minutes,
            "max_refunds_per_order": obj.max_refunds_per_order,
            "refund_window_days": obj.refund_window_days,
            "rate_limit_per_s": obj.rate_limit_per_s,
            "status": obj.status,
            "signed_only": obj.signed_only,
        }


@admin.register(Merchant)
class MerchantAdmin(
    LookOfMerchant,
    KeysOfMerchant,
    ContractsOfMerchant,
    HoldsOfMerchant,
    DeadLettersOfMerchant,
    ReadOnlyAdmin,
):
    """Merchants with their keys and fee contracts."""

    number_prefix = numbers.MERCHANT
    list_display = ("merchant_no", "name", "state", "late_money_policy", "created_at")
    list_filter = ("status", "late_money_policy")
    search_fields = ("merchant_no",)
    search_help_text = _("A whole merchant number, or a part of the name")
    searched = {numbers.MERCHANT: "merchant_no", "": "name__icontains"}
    ordering = ("-merchant_no",)
    fields = (
        ("merchant_no", "state"),
        ("name", "signed_only"),
        ("origins", "rate_limit"),
        ("late_money_policy", "late_money_ask_minutes"),
        ("max_refunds_per_order", "refund_window_days"),
        "max_tries",
        ("created_at", "dead_letters"),
    )
    readonly_fields = ("state", "origins", "rate_limit", "dead_letters")
    actions_detail = (
        "change_merchant",
        "change_cashier_look",
        "propose_fee_contract",
        "place_settlement_hold",
        "propose_key",
        "redeliver_dead_letters",
    )

    @confirmed_action(
        description=_("Change"),
        permission="acquiring.change_merchant",
        roles=(Role.OPERATOR, Role.ADMIN),
        url_path="change-settings",
        icon="edit",
        form=MerchantForm,
    )
    def change_merchant(
        self,
        *,
        object_no: str,
        name: str,
        return_origins: str,
        late_money_policy: str,
        late_money_ask_minutes: int,
        max_refunds_per_order: int,
        refund_window_days: int,
        rate_limit_per_s: int | None,
        status: str,
        signed_only: bool,
        **_answers: Any,
    ) -> str:
        """Change name, return origins, what happens to late money, limits, status, or who may call."""
        transactions.join(change_merchant)(
            merchant_no=object_no,
            name=name,
            return_origins=tuple(return_origins.split()),
            late_money_policy=late_money_policy,
            late_money_ask_minutes=late_money_ask_minutes,
            max_refunds_per_order=max_refunds_per_order,
            refund_window_days=refund_window_days,
            rate_limit_per_s=rate_limit_per_s,
            status=status,
            signed_only=signed_only,
        )
        return say("The merchant is changed.")

    @admin.display(description=_("Return origins"))
    def origins(self, merchant: Merchant) -> str:
        """Return the origins on one line."""
        return ", ".join(merchant.return_origins) or "–"

    @admin.display(description=_("Requests a second"))
    def rate_limit(self, merchant: Merchant) -> str:
        """Return the merchant's limit and the platform's default, in figures."""
        default = settings.MERCHANT_RATE_LIMIT_PER_S
        if merchant.rate_limit_per_s is None:
            return say("%d (the platform's default)") % default
        return say("%(own)d (the platform's default is %(default)d)") % {
            "own": merchant.rate_limit_per_s,
            "default": default,
        }

    def build_tables(self, obj: Merchant) -> list[PageTable]:
        """Show keys, fee contracts and webhook endpoints, and the way to its agreements."""
        return [
            build_page_table(
                _("Keys"),
                obj.credentials.order_by("-key_id"),
                columns=("key_id", "algorithm", "hint", "created_at", "expires_at", "revoked_at"),
            ),
            build_page_table(
                _("Fee contracts"),
                obj.fee_contracts.order_by("-valid_from"),
                columns=(
                    "contract_no",
                    "rate_ppm",
                    "returned_on_refund",
                    "settlement_days",
                    "valid_from",
                ),
            ),
            build_endpoint_table(obj.merchant_no),
            PageTable(
                say("Agreements"),
                (say("See also"),),
                (
                    (
                        link_list(
                            numbers.AGREEMENT,
                            obj.merchant_no,
                            say("All agreements of this merchant"),
                        ),
                    ),
                ),
            ),
        ]
