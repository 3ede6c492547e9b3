"""What the payer sends: a method, its option, and for the balance a number and a password."""

from __future__ import annotations

from typing import Any

from django import forms

from acquiring.contracts import Method
from checkout.presenters import OPTION_FIELDS


class PayForm(forms.Form):
    """Strict and small: amounts, merchants and orders are never read from the browser."""

    method = forms.ChoiceField(choices=[(method.value, method.value) for method in Method])
    bank_code = forms.CharField(required=False, max_length=32)
    wallet_code = forms.CharField(required=False, max_length=32)
    payer_no = forms.CharField(required=False, max_length=64)
    payment_password = forms.CharField(required=False, max_length=128, strip=False)

    def clean(self) -> dict[str, Any]:
        """Ask for number and password where the balance pays; an empty one is no try at the password."""
        cleaned = super().clean() or {}
        if cleaned.get("method") == Method.BALANCE:
            for name in ("payer_no", "payment_password"):
                if name not in self.errors and not cleaned.get(name):
                    self.add_error(name, "missing")
        return cleaned

    def refused_fields(self) -> list[str]:
        """Name what the payer has to correct, in the words of ``presenters.present_refusal``."""
        return [f"{name}_invalid" for name in self.errors]

    def pay_arguments(self) -> dict[str, Any]:
        """Return what ``pay_from_cashier`` takes from the form; fields of other methods are dropped."""
        data = self.cleaned_data
        method = Method(data["method"])
        option_field = OPTION_FIELDS.get(method)
        option = data.get(option_field, "") if option_field else ""
        by_balance = method == Method.BALANCE
        return {
            "method": method.value,
            "options": {option_field: option} if option_field and option else {},
            "payer_no": data["payer_no"] if by_balance else None,
            "payment_password": data["payment_password"] if by_balance else None,
        }
