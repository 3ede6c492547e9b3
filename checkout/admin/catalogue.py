"""The catalogue of methods for operators: what each needs, and what merchants have chosen."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from acquiring import api as acquiring
from checkout.models import MerchantMethod, PaymentMethod
from checkout.services.catalogues import change_method, choose_for_merchant
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, confirmed_action
from paymentplatform.kernel.admin_tables import PageTable, link_number
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.roles import EVERYBODY, Role

_SHOWN_CHOICES = 100
_TERMS = (
    *("position", "is_on", "name_en", "name_zh", "currencies", "amount_limits"),
    *("terminals", "locales", "hours", "options"),
)


def _json(label: Any, *, required: bool = False) -> forms.JSONField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 2})
    return forms.JSONField(label=label, required=required, widget=widget)


class TermsForm(ReasonForm):
    """What of a method can be changed; lists and objects as JSON, empty: no such limit."""

    position = forms.IntegerField(
        label=_("Place in the catalogue"), widget=UnfoldAdminTextInputWidget
    )
    is_on = forms.BooleanField(label=_("Offered"), required=False)
    name_en = forms.CharField(label=_("Name in English"), widget=UnfoldAdminTextInputWidget)
    name_zh = forms.CharField(label=_("Name in Chinese"), widget=UnfoldAdminTextInputWidget)
    currencies = _json(_("Currencies"))
    amount_limits = _json(_("Amounts, by currency: least and most in minor units"))
    terminals = _json(_("Terminals"))
    locales = _json(_("Languages"))
    hours = _json(_("Hours"))
    options = _json(_("Banks or wallets"))

    @classmethod
    def read_initial(cls, obj: PaymentMethod) -> dict[str, Any]:
        """Show what holds now."""
        terms = {name: getattr(obj, name) for name in _TERMS}
        return {name: value for name, value in terms.items() if value is not None}


class ChoiceForm(ReasonForm):
    """What one merchant wants of a method."""

    merchant_no = forms.CharField(label=_("Merchant"), widget=UnfoldAdminTextInputWidget)
    is_on = forms.BooleanField(label=_("Offered"), required=False, initial=True)
    preference = forms.IntegerField(
        label=_("Preference: 1 is shown first, empty: none"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnlyAdmin):
    """The methods, what limits them, and the merchants for whom something is different."""

    seen_by = EVERYBODY
    list_display = ("code", "position", "is_on", "name_en", "name_zh", "currencies", "terminals")
    search_fields = ("code",)
    search_help_text = _("A whole code")
    searched: ClassVar[dict[str, str]] = {"": "code__iexact"}
    ordering = ("position",)
    fields = (
        ("code", "flow"),
        ("position", "is_on"),
        ("name_en", "name_zh"),
        ("currencies", "amount_limits"),
        ("terminals", "locales"),
        ("hours", "options"),
    )
    actions_detail = ("change_terms", "set_for_merchant")

    @confirmed_action(
        description=_("Change"),
        permission="checkout.change_paymentmethod",
        roles=(Role.OPERATOR,),
        url_path="change-terms",
        icon="tune",
        form=TermsForm,
    )
    def change_terms(self, *, object_no: str, **answers: Any) -> str:
        """Give the method other terms."""
        terms = {name: answers[name] for name in _TERMS}
        terms["amount_limits"] = terms["amount_limits"] or {}
        transactions.join(change_method)(method=object_no, terms=terms)
        return say("Changed; it counts everywhere in some seconds.")

    @confirmed_action(
        description=_("Set for one merchant"),
        permission="checkout.change_paymentmethod",
        roles=(Role.OPERATOR,),
        url_path="set-for-merchant",
        icon="storefront",
        form=ChoiceForm,
        service_audits=True,
    )
    def set_for_merchant(
        self,
        *,
        object_no: str,
        operator: Any,
        reason: str,
        merchant_no: str,
        is_on: bool,
        preference: int | None,
    ) -> str:
        """Switch it on or off for a merchant, or say how early it is shown. Raises NotFound for an unknown merchant."""
        acquiring.get_merchant_name(merchant_no=merchant_no)
        before = MerchantMethod.objects.filter(merchant_no=merchant_no, method_id=object_no)
        was = before.values("is_on", "preference").first()
        transactions.join(choose_for_merchant)(
            merchant_no=merchant_no, method=object_no, is_on=is_on, preference=preference
        )
        audit_trail()(
            operator=operator,
            action="set_for_merchant",
            object_no=merchant_no,
            reason=reason,
            before={"method": object_no} | (was or {}),
            after={"method": object_no, "is_on": is_on, "preference": preference},
        )
        return say("Changed; it counts everywhere in some seconds.")

    def build_tables(self, obj: PaymentMethod) -> list[PageTable]:
        """Show the merchants for whom something is different."""
        choices = MerchantMethod.objects.filter(method=obj).order_by("-id")[:_SHOWN_CHOICES]
        rows = tuple(
            (
                link_number(choice.merchant_no),
                say("yes") if choice.is_on else say("no"),
                choice.preference or "–",
            )
            for choice in choices
        )
        title = say("Different for merchants (the last %d)") % _SHOWN_CHOICES
        return [PageTable(title, (say("Merchant"), say("Offered"), say("Preference")), rows)]
