"""Payers for operators: wallets and statements. Their money is in the ledger; nothing here moves it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminDateWidget,
)

from checkout.models import PayerWallet
from checkout.services.wallets import unlock_wallet
from checkout.statements import AccountStatement, get_payer_statement
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_forms import ReceivedMoneyForm
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    link_number,
    name_column,
    show_money,
    show_time,
)
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import CURRENCY_EXPONENTS
from paymentplatform.kernel.roles import Role

FACTS = {
    "payment_paid": _("Payment"),
    "top_up": _("Top-up"),
    "refund_accepted": _("Refund accepted"),
    "refund_done": _("Refund"),
    "refund_failed": _("Refund failed"),
    "late_money": _("Late money"),
    "reversal": _("Reversal"),
}
"""What the ledger's facts are called on a payer's statement; others appear by their own name."""


class StatementForm(forms.Form):
    """The days of a statement."""

    from_date = forms.DateField(
        label=_("From"), required=False, widget=UnfoldAdminDateWidget(attrs={"type": "date"})
    )
    to_date = forms.DateField(
        label=_("To"), required=False, widget=UnfoldAdminDateWidget(attrs={"type": "date"})
    )


@admin.register(PayerWallet)
class PayerWalletAdmin(ReadOnlyAdmin):
    """Wallets with balances and agreements."""

    number_prefix = numbers.PAYER
    list_display = ("payer_no", "display_name", "wrong_tries", "locked_until", "created_at")
    search_fields = ("payer_no",)
    search_help_text = _("A whole payer number, or the payer's whole name")
    searched = {numbers.PAYER: "payer_no", "": "display_name"}
    ordering = ("-payer_no",)
    fields = (("payer_no", "display_name"), ("wrong_tries", "locked_until"), "created_at")
    actions_detail = ("statement", "unlock_wallet", "propose_top_up")

    @action(
        description=_("Statement"),
        permissions=["checkout.view_payerwallet"],
        url_path="statement",
        icon="receipt_long",
    )
    def statement(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the payer's statement; a look, so GET is enough."""
        wallet = get_object_or_404(PayerWallet, pk=unquote(object_id))
        asked = StatementForm(request.GET or None)
        days = asked.cleaned_data if asked.is_bound and asked.is_valid() else {}
        try:
            found = get_payer_statement(payer_no=wallet.payer_no, **days)
        except InvalidRequest as refusal:
            asked.add_error(None, refusal.detail)
            found = get_payer_statement(payer_no=wallet.payer_no)
        if not asked.is_bound:
            asked = StatementForm(initial={"from_date": found.from_date, "to_date": found.to_date})
        shown = {
            **self.admin_site.each_context(request),
            "title": _("Statement"),
            "opts": self.model._meta,  # noqa: SLF001 - Django's documented way to a model's names
            "wallet": wallet,
            "form": asked,
            "found": found,
            "page_tables": [_show_account(account) for account in found.accounts],
        }
        return render(request, "checkout/admin_statement.html", shown)

    @confirmed_action(
        description=_("Unlock"),
        permission="checkout.change_payerwallet",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="unlock",
        icon="lock_open",
        offered=lambda wallet: wallet.wrong_tries > 0 or wallet.locked_until is not None,
    )
    def unlock_wallet(self, *, object_no: str, **_answers: Any) -> str:
        """Let the payer try the payment password again."""
        transactions.join(unlock_wallet)(payer_no=object_no)
        return say("The payment password can be tried again.")

    @confirmed_action(
        description=_("Propose a top-up"),
        permission="console.propose_payer_top_up",
        url_path="propose-top-up",
        icon="add_card",
        form=ReceivedMoneyForm,
        service_audits=True,
    )
    def propose_top_up(
        self,
        *,
        object_no: str,
        operator: Any,
        amount: int,
        currency: str,
        reference: str,
        reason: str,
    ) -> str:
        """Propose money for the balance; another operator approves."""
        return submit_proposal(
            kind="payer_top_up",
            payload={
                "payer_no": object_no,
                "currency": currency,
                "amount": amount,
                "reference": reference.strip(),
            },
            operator=operator,
            reason=reason,
        )

    def build_tables(self, obj: PayerWallet) -> list[PageTable]:
        """Show balances and agreements."""
        codes = [
            ledger.payer_balance(payer_no=obj.payer_no, currency=currency)
            for currency in CURRENCY_EXPONENTS
        ]
        rows = tuple(
            (
                view.account_code,
                *(
                    show_money(amount, view.account_code[-3:])
                    for amount in (view.balance, view.held)
                ),
            )
            for view in ledger.list_balances(account_codes=codes)
            if view.balance or view.held
        )
        return [
            PageTable(
                say("Balances"), tuple(map(name_column, ("account", "balance", "held"))), rows
            ),
            build_page_table(
                _("Agreements"),
                obj.agreements.order_by("-agreement_no"),
                columns=(
                    "agreement_no",
                    "merchant_no",
                    "max_per_payment",
                    "max_per_day",
                    "revoked_at",
                ),
            ),
        ]


def _show_account(account: AccountStatement) -> PageTable:
    currency = account.currency
    rows = [
        (
            show_time(move.at),
            FACTS.get(move.event_type, move.event_type),
            link_number(move.reference),
            show_money(move.amount, currency),
            show_money(move.balance, currency),
        )
        for move in account.movements
    ]
    opening = ("", say("Opening balance"), "", "", show_money(account.opening_balance, currency))
    closing = ("", say("Closing balance"), "", "", show_money(account.closing_balance, currency))
    return PageTable(
        currency,
        (say("Time"), say("Business fact"), say("Reference"), say("Amount"), say("Balance")),
        (opening, *rows, closing),
    )
