"""Refunds for operators: where the money is, how often it was tried and what was said last. To look at."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from engine.admin.history import POSTINGS, MovesAdmin, build_calls_table
from engine.models import Case, ChannelAttempt, ChannelCallback, LateMoney, Refund
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    clean_number,
    link_number,
    show_money,
)
from paymentplatform.kernel.redaction import redact_text

REFUND_FACTS = (
    "refund_accepted",
    "late_money_refund_sent",
    "refund_done",
    "refund_failed",
    "late_money_refund_failed",
)
"""What the ledger may know of a refund, in the order in which it happens."""
_BEHIND: Final[dict[str, Any]] = {
    numbers.ATTEMPT: ChannelAttempt,
    numbers.LATE_MONEY: LateMoney,
}
"""Whose numbers refunds carry without an index of their own: their order's number has one."""


@admin.register(Refund)
class RefundAdmin(MovesAdmin):
    """Refunds of orders and of late money."""

    number_prefix = numbers.REFUND
    list_display = (
        "refund_no",
        "state",
        "money",
        "order_no",
        "try_count",
        "next_try_at",
        "last_outcome",
        "created_at",
    )
    list_filter = ("status", "purpose", "channel_code", "currency")
    search_fields = ("refund_no",)
    search_help_text = _(
        "A whole refund, order, payment, attempt, late money or merchant number, or the merchant's own"
    )
    searched = {
        numbers.REFUND: "refund_no",
        numbers.ORDER: "order_no",
        numbers.PAYMENT: "payment_no",
        numbers.ATTEMPT: "attempt_no",
        numbers.LATE_MONEY: "late_money_no",
        numbers.MERCHANT: "merchant_no",
        "": "merchant_refund_no",
    }
    ordering = ("-refund_no",)
    fields = (
        ("refund_no", "state"),
        ("merchant", "merchant_refund_no"),
        ("order", "payment"),
        ("money", "fee"),
        ("through_channel", "to_balance"),
        ("attempt", "late_money"),
        ("source", "reason"),
        ("failure_code", "try_count"),
        ("next_try_at", "leased_until"),
        ("last_outcome", "last_outcome_at"),
        "last_said",
        ("created_at", "succeeded_at", "failed_at"),
    )
    readonly_fields = (
        "state",
        "money",
        "merchant",
        "order",
        "payment",
        "fee",
        "through_channel",
        "to_balance",
        "attempt",
        "late_money",
        "last_said",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by what a refund is of through that one's order."""
        term = clean_number(search_term)
        model = _BEHIND.get(term.partition("_")[0])
        if model is not None:
            of_order = model.objects.filter(pk=term).values("order_no")[:1]
            queryset = queryset.filter(order_no=Subquery(of_order))
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=_("Merchant"))
    def merchant(self, refund: Refund) -> str:
        """Link the merchant."""
        return link_number(refund.merchant_no)

    @admin.display(description=_("Order"))
    def order(self, refund: Refund) -> str:
        """Link the order."""
        return link_number(refund.order_no)

    @admin.display(description=_("Payment"))
    def payment(self, refund: Refund) -> str:
        """Link the payment."""
        return link_number(refund.payment_no)

    @admin.display(description=_("Attempt"))
    def attempt(self, refund: Refund) -> str:
        """Link the charge that is given back."""
        return link_number(refund.attempt_no or "–")

    @admin.display(description=_("Late money"))
    def late_money(self, refund: Refund) -> str:
        """Link the late money that is given back."""
        return link_number(refund.late_money_no or "–")

    @admin.display(description=_("Fee returned"))
    def fee(self, refund: Refund) -> str:
        """Return the fee that the merchant got back with it."""
        return show_money(refund.returned_fee, refund.currency)

    @admin.display(description=_("Through the channel"))
    def through_channel(self, refund: Refund) -> str:
        """Return what goes back the way it came."""
        if not refund.external_amount:
            return "–"
        return f"{show_money(refund.external_amount, refund.currency)} · {refund.channel_code}"

    @admin.display(description=_("To the balance"))
    def to_balance(self, refund: Refund) -> str:
        """Return what goes back to the payer's balance."""
        if not refund.balance_amount:
            return "–"
        return show_money(refund.balance_amount, refund.currency)

    @admin.display(description=_("Last answer in full"))
    def last_said(self, refund: Refund) -> str:
        """Return the last answer without secrets."""
        return redact_text(refund.last_answer) or "–"

    def build_tables(self, obj: Refund) -> list[PageTable]:
        """Show postings, calls, callbacks, cases and moves."""
        journals = [
            ledger.find_journal(event_type=fact, event_id=obj.refund_no) for fact in REFUND_FACTS
        ]
        callbacks = ChannelCallback.objects.filter(refund_no=obj.refund_no).order_by("id")
        cases = Case.objects.filter(object_no=obj.refund_no).order_by("case_no")
        return [
            *(
                build_page_table(
                    f"{_('Journal')} {journal.journal_no} · {name_code(journal.event_type)}",
                    journal.postings,
                    columns=POSTINGS,
                )
                for journal in journals
                if journal is not None
            ),
            build_calls_table(order_no=obj.order_no, refund_no=obj.refund_no),
            build_page_table(
                _("Callbacks"), callbacks, columns=("id", "received_at", "result", "note")
            ),
            build_page_table(
                _("Cases"), cases, columns=("case_no", "status", "kind", "detail", "created_at")
            ),
            *super().build_tables(obj),
        ]
