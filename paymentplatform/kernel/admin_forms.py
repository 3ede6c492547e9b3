"""What every act of an operator asks for."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from paymentplatform.kernel.money import CURRENCY_EXPONENTS, MAX_AMOUNT

REASON_MAX_CHARACTERS: Final = 500


class ReasonForm(forms.Form):
    """Every act of an operator has a reason. Subclasses add what else the act needs to know."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_MAX_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    @classmethod
    def read_initial(cls, _obj: Any) -> dict[str, Any]:
        """Return what the other fields show at first."""
        return {}


class MinorUnitsField(forms.IntegerField):
    """An amount in minor units; what it is for people stands below it (``console/amounts.js``).

    The currency is that of the form's field ``currency``; a form about one currency sets it by ``show_currency``.
    Django reads "80.00" as 80; whoever types that means 8000, so it is refused.
    """

    re_decimal = re.compile(r"(?!)")
    default_error_messages: ClassVar = {
        "invalid": _("Minor units are whole numbers, without a decimal point: 1280 is 12.80."),
    }

    def __init__(self, **options: Any) -> None:
        usual: dict[str, Any] = {
            "label": _("Amount in minor units (1280 is 12.80)"),
            "min_value": 1,
        }
        exponents = json.dumps(CURRENCY_EXPONENTS)
        widget = UnfoldAdminIntegerFieldWidget(attrs={"data-minor-units": exponents})
        super().__init__(max_value=MAX_AMOUNT, widget=widget, **(usual | options))

    def show_currency(self, currency: str) -> None:
        """Let amounts be shown in this currency."""
        self.widget.attrs["data-currency"] = currency


class ReceivedMoneyForm(ReasonForm):
    """Asks how much has come to our bank account, and by which of the bank's numbers."""

    amount = MinorUnitsField()
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(code, code) for code in CURRENCY_EXPONENTS],
        initial="CNY",
        widget=UnfoldAdminSelectWidget(),
    )
    reference = forms.CharField(
        label=_("Reference, such as the bank's number; good once"),
        max_length=128,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ["amount", "currency", "reference", "reason"]


class MillionthsField(forms.IntegerField):
    """A rate in millionths; what it is in per cent stands below it."""

    def __init__(self, **options: Any) -> None:
        usual: dict[str, Any] = {
            "min_value": 0,
            "help_text": _("Of a million: 6000 is 0.6 %, 25000 is 2.5 %."),
        }
        widget = UnfoldAdminIntegerFieldWidget(attrs={"data-millionths": ""})
        super().__init__(widget=widget, **(usual | options))
