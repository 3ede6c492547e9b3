"""What the payer sends: a method, its option, and where a balance pays a number and a password."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from acquiring.contracts import Method
from checkout.contracts import CHOICE_FIELDS

PAYER_FIELDS: Final = ("payer_no", "payment_password")
BALANCE_FIRST_FIELDS: Final = ("balance_payer_no", "balance_password")
"""The same two for a payment that takes the balance first and the rest by another method."""


class PayForm(forms.Form):
    """Strict and small: amounts, merchants and orders are never read from the browser."""

    method = forms.ChoiceField(choices=[(method.value, method.value) for method in Method])
    bank_code = forms.CharField(required=False, max_length=32)
    wallet_code = forms.CharField(required=False, max_length=32)
    payer_no = forms.CharField(required=False, max_length=64)
    payment_password = forms.CharField(required=False, max_length=128, strip=False)
    use_balance = forms.BooleanField(required=False)
    balance_payer_no = forms.CharField(required=False, max_length=64)
    balance_password = forms.CharField(required=False, max_length=128, strip=False)

    def clean(self) -> dict[str, Any]:
        """Ask for number and password where the balance pays; an empty one is no try at the password."""
        cleaned = super().clean() or {}
        for name in (PAYER_FIELDS if cleaned.get("method") == Method.BALANCE else ()) or (
            BALANCE_FIRST_FIELDS if cleaned.get("use_balance") else ()
        ):
            if name not in self.errors and not cleaned.get(name):
                self.add_error(name, "missing")
        return cleaned

    def clean_payer_no(self) -> str:
        """Take the number however it was typed or pasted: in groups, in capitals."""
        return _tidy_number(self.cleaned_data["payer_no"])

    def clean_balance_payer_no(self) -> str:
        """Take the number however it was typed or pasted: in groups, in capitals."""
        return _tidy_number(self.cleaned_data["balance_payer_no"])

    def refused_fields(self) -> list[str]:
        """Name what the payer has to correct, in the words of ``presenters.present_refusal``."""
        return [f"{name}_invalid" for name in self.errors]

    def pay_arguments(self) -> dict[str, Any]:
        """Return what ``pay_from_cashier`` takes from the form; fields of other methods are dropped."""
        data = self.cleaned_data
        method = Method(data["method"])
        option_field = CHOICE_FIELDS.get(method)
        option = data.get(option_field, "") if option_field else ""
        balance_first = data["use_balance"] and method != Method.BALANCE
        fields = BALANCE_FIRST_FIELDS if balance_first else PAYER_FIELDS
        payer_no, password = (
            [data[name] for name in fields]
            if balance_first or method == Method.BALANCE
            else [None, None]
        )
        return {
            "method": method.value,
            "options": {option_field: option} if option_field and option else {},
            "payer_no": payer_no,
            "payment_password": password,
            "use_balance": balance_first,
        }


class ConsentForm(forms.Form):
    """The payer's answer on the consent page; what is agreed to is never read from the browser."""

    answer = forms.ChoiceField(choices=[("agree", "agree"), ("decline", "decline")])
    payer_no = forms.CharField(required=False, max_length=64)
    payment_password = forms.CharField(required=False, max_length=128, strip=False)

    def clean(self) -> dict[str, Any]:
        """Ask for number and password where the payer agrees; an empty one is no try at the password."""
        cleaned = super().clean() or {}
        for name in PAYER_FIELDS if cleaned.get("answer") == "agree" else ():
            if name not in self.errors and not cleaned.get(name):
                self.add_error(name, "missing")
        return cleaned

    def clean_payer_no(self) -> str:
        """Take the number however it was typed or pasted: in groups, in capitals."""
        return _tidy_number(self.cleaned_data["payer_no"])

    def refused_fields(self) -> list[str]:
        """Name what the payer has to correct, in the words of the presenter."""
        return [f"{name}_invalid" for name in self.errors]


class WalletLoginForm(forms.Form):
    """A payer proves himself to see his wallet."""

    payer_no = forms.CharField(max_length=64)
    payment_password = forms.CharField(max_length=128, strip=False)

    def clean_payer_no(self) -> str:
        """Take the number however it was typed or pasted: in groups, in capitals."""
        return _tidy_number(self.cleaned_data["payer_no"])

    def refused_fields(self) -> list[str]:
        """Name what the payer has to correct, in the words of the presenter."""
        return [f"{name}_invalid" for name in self.errors]


def _tidy_number(value: str) -> str:
    return "".join(value.split()).lower()
