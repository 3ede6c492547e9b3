"""What every act of an operator asks for."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from paymentplatform.kernel.money import MAX_AMOUNT

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
    """An amount in minor units. Django reads "80.00" as 80; whoever types that means 8000, so it is refused."""

    re_decimal = re.compile(r"(?!)")
    default_error_messages: ClassVar = {
        "invalid": _("Minor units are whole numbers, without a decimal point: 1280 is 12.80."),
    }

    def __init__(self, **options: Any) -> None:
        usual: dict[str, Any] = {
            "label": _("Amount in minor units (1280 is 12.80)"),
            "min_value": 1,
        }
        widget = UnfoldAdminIntegerFieldWidget()
        super().__init__(max_value=MAX_AMOUNT, widget=widget, **(usual | options))
