"""The ledger for operators: to look at, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from ledger.contracts import REVERSIBLE_BY_HAND
from ledger.models import Account, Hold, Journal
from ledger.selectors import get_balance, get_journal
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_codes import show_code
from paymentplatform.kernel.admin_forms import ReceivedMoneyForm
from paymentplatform.kernel.admin_lists import DayFilter
from paymentplatform.kernel.admin_tables import link_number, show_money


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """Accounts with their balances; the balance is summed for one account at a time."""

    list_display = ("code", "kind", "owner", "currency", "opened_at")
    list_filter = ("kind", "currency")
    search_fields = ("=code", "=owner")
    ordering = ("-id",)
    fields = ("code", "kind", "owner", "currency", "balance", "held", "opened_at")
    readonly_fields = ("balance", "held")
    actions_list = ("propose_funding", "export")

    @confirmed_action(
        description=_("Propose the platform's own money"),
        permission="console.propose_platform_funding",
        url_path="propose-funding",
        icon="account_balance",
        form=ReceivedMoneyForm,
        service_audits=True,
        foretell=lambda _nothing: say(
            "When another person approves, bank and capital grow by it: A20 to E10. Not for a payer's top-up, and not"
            " for what a channel has settled."
        ),
        on_list=True,
    )
    def propose_funding(
        self, *, operator: Any, amount: int, currency: str, reference: str, reason: str
    ) -> str:
        """Propose money that the platform has paid in itself, A20 → E10; another operator approves."""
        return submit_proposal(
            kind="platform_funding",
            payload={"currency": currency, "amount": amount, "reference": reference.strip()},
            operator=operator,
            reason=reason,
        )

    @admin.display(description=_("Balance"))
    def balance(self, account: Account) -> str:
        """Return the balance for people."""
        return show_money(get_balance(account_code=account.code).balance, account.currency)

    @admin.display(description=_("Held"))
    def held(self, account: Account) -> str:
        """Return what open holds keep of it, for people."""
        return show_money(get_balance(account_code=account.code).held, account.currency)


@admin.register(Journal)
class JournalAdmin(ReadOnlyAdmin):
    """Journals with their postings."""

    list_display = ("journal_no", "fact", "event_id", "accounting_date", "currency")
    list_filter = ("event_type", "currency", ("accounting_date", DayFilter))
    default_period = "day"
    time_filters = ("accounting_date",)
    number_prefix = numbers.JOURNAL
    search_fields = ("journal_no",)
    search_help_text = _("A whole journal number, or that of what it is about")
    searched = {numbers.JOURNAL: "journal_no", "": "event_id"}
    ordering = ("-journal_no",)
    fields = (
        "journal_no",
        "fact",
        "event_id",
        "accounting_date",
        "currency",
        "postings",
        "reverses",
        "reversed_by",
        "created_at",
    )
    readonly_fields = ("fact", "postings", "reversed_by")
    actions_detail = ("propose_reversal",)

    @confirmed_action(
        description=_("Propose to reverse it"),
        permission="console.propose_journal_reversal",
        url_path="propose-reversal",
        icon="undo",
        service_audits=True,
        offered=lambda journal: (
            journal.event_type in REVERSIBLE_BY_HAND
            and journal.reverses is None
            and get_journal(journal_no=journal.journal_no).reversed_by is None
        ),
    )
    def propose_reversal(self, *, object_no: str, operator: Any, reason: str) -> str:
        """Propose the mirror; another operator approves. Only what people have posted can be reversed by hand."""
        return submit_proposal(
            kind="journal_reversal",
            payload={"journal_no": object_no},
            operator=operator,
            reason=reason,
        )

    @admin.display(description=_("Business fact"), ordering="event_type")
    def fact(self, journal: Journal) -> str:
        """Say what happened."""
        return show_code(journal.event_type)

    @admin.display(description=_("Postings"))
    def postings(self, journal: Journal) -> SafeString:
        """Return one line for each posting: from, to, amount."""
        view = get_journal(journal_no=journal.journal_no)
        return format_html_join(
            "",
            "<div>{} → {} <strong>{}</strong></div>",
            (
                (posting.debit, posting.credit, show_money(posting.amount, posting.currency))
                for posting in view.postings
            ),
        )

    @admin.display(description=_("Reversed by"))
    def reversed_by(self, journal: Journal) -> str:
        """Return the number of the journal that undid this one."""
        return link_number(get_journal(journal_no=journal.journal_no).reversed_by or "–")


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Holds of payers' money."""

    list_display = ("hold_no", "account", "held_money", "state", "reference", "created_at")
    fields = (("hold_no", "state"), ("account", "held_money"), "reference", "created_at")
    readonly_fields = ("state", "held_money")
    list_filter = ("status",)
    number_prefix = numbers.HOLD
    search_fields = ("hold_no",)
    search_help_text = _("A whole hold number, or that of what it is for")
    searched = {numbers.HOLD: "hold_no", "": "reference"}
    ordering = ("-hold_no",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read the account's code in the same query."""
        holds: QuerySet[Any] = super().get_queryset(request).select_related("account")
        return holds

    @admin.display(description=_("Amount"), ordering="amount")
    def held_money(self, hold: Hold) -> SafeString:
        """Return the amount for people."""
        return show_money(hold.amount, hold.account.currency)
