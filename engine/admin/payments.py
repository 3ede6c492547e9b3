"""Payments, attempts and callbacks for operators: to look at."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from engine.admin.history import POSTINGS, MovesAdmin, build_calls_table
from engine.contracts import Exposure
from engine.dossier import get_payment_file
from engine.exposure import list_exposure
from engine.models import ChannelAttempt, ChannelCallback, PaymentOrder, SavedCard
from engine.services.callbacks import apply_stored_callback
from engine.services.saved_cards import remove_saved_card
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_codes import show_code
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    clean_number,
    columns_of,
    link_number,
    show_money,
    show_status,
)
from paymentplatform.kernel.redaction import redact_text, redact_value
from paymentplatform.kernel.roles import Role

_SHOWN_CHARACTERS = 4_000


@admin.register(PaymentOrder)
class PaymentOrderAdmin(ReadOnlyAdmin):
    """Payments with details, attempts, callbacks, moves and postings."""

    default_period = "day"
    number_prefix = numbers.PAYMENT
    list_display = ("payment_no", "state", "money", "method", "order_no", "created_at")
    list_filter = ("status", "method", "currency")
    search_fields = ("payment_no",)
    search_help_text = _("A whole payment, order, merchant or payer number")
    searched = {
        numbers.PAYMENT: "payment_no",
        numbers.ORDER: "order_no",
        numbers.MERCHANT: "merchant_no",
        numbers.PAYER: "payer_no",
    }
    searched_in_period = (numbers.MERCHANT, numbers.PAYER)
    ordering = ("-payment_no",)
    fields = (
        ("payment_no", "state"),
        ("order", "merchant"),
        ("money", "fee"),
        ("method", "payer"),
        ("closing", "failure_code"),
        ("created_at", "paid_at"),
    )
    readonly_fields = ("state", "money", "fee", "order", "merchant", "payer")

    @admin.display(description=_("Order"))
    def order(self, payment: PaymentOrder) -> str:
        """Link the order."""
        return link_number(payment.order_no)

    @admin.display(description=_("Merchant"))
    def merchant(self, payment: PaymentOrder) -> str:
        """Link the merchant."""
        return link_number(payment.merchant_no)

    @admin.display(description=_("Payer"))
    def payer(self, payment: PaymentOrder) -> str:
        """Link the payer of a balance payment."""
        return link_number(payment.payer_no or "–")

    @admin.display(description=_("Fee"))
    def fee(self, payment: PaymentOrder) -> str:
        """Return the merchant's fee for people."""
        return show_money(payment.fee_amount, payment.currency)

    def build_tables(self, obj: PaymentOrder) -> list[PageTable]:
        """Show what belongs to the payment."""
        file = get_payment_file(payment_no=obj.payment_no)
        journal = ledger.find_journal(event_type="payment_paid", event_id=obj.payment_no)
        return [
            *(
                build_page_table(title, rows, columns=columns_of(type(rows[0])))
                for title, rows in (
                    (_("Details"), file.details),
                    (_("Attempts"), file.attempts),
                    (_("Callbacks"), file.callbacks),
                    (_("Refunds"), file.refunds),
                    (_("Late money"), file.late_money),
                    (_("Cases"), file.cases),
                )
                if rows
            ),
            build_page_table(_("Postings"), journal.postings if journal else (), columns=POSTINGS),
            build_page_table(_("Moves"), file.moves, columns=MOVE_COLUMNS),
        ]


@admin.register(ChannelAttempt)
class ChannelAttemptAdmin(MovesAdmin):
    """Requests to channels."""

    default_period = "day"
    number_prefix = numbers.ATTEMPT
    list_display = ("attempt_no", "state", "money", "channel_code", "payment_no", "next_query_at")
    list_filter = ("status", "channel_code")
    search_fields = ("attempt_no",)
    search_help_text = _("A whole attempt, payment, detail or order number, or the channel's own")
    searched = {
        numbers.ATTEMPT: "attempt_no",
        numbers.PAYMENT: "payment_no",
        numbers.DETAIL: "detail_id",
    }
    ordering = ("-attempt_no",)
    indexed_filters = tuple(("status__exact", status) for status in ("CREATED", "SENT", "UNKNOWN"))
    fields = (
        ("attempt_no", "state"),
        ("payment", "order"),
        ("money", "channel_code"),
        ("channel_trade_no", "failure_code"),
        ("submit_claimed_at", "created_at"),
        ("next_query_at", "query_count"),
        ("last_outcome", "last_outcome_cause"),
        "last_outcome_at",
        "last_answer",
    )
    readonly_fields = ("state", "money", "payment", "order")
    actions_list = ("exposure", "export")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find also by the order, and by the channel's own number of a charge: both by an index."""
        number = clean_number(search_term)
        prefix = number.partition("_")[0]
        if prefix == numbers.ORDER:
            payments = PaymentOrder.objects.filter(order_no=number).values("payment_no")
            return queryset.filter(payment_no__in=payments), False
        if number and prefix not in self.searched:
            return queryset.filter(channel_trade_no=number, status="SUCCEEDED"), False
        return super().get_search_results(request, queryset, search_term)

    @action(
        description=_("Exposure"),
        permissions=["engine.view_channelattempt"],
        url_path="exposure",
        icon="troubleshoot",
    )
    def exposure(self, request: HttpRequest) -> HttpResponse:
        """Show how much money may be anywhere, by channel and age; a look, so GET is enough."""
        shown = {
            **self.admin_site.each_context(request),
            "title": _("Exposure"),
            "opts": self.model._meta,  # noqa: SLF001 - Django's documented way to a model's names
            "limit": settings.CHANNEL_EXPOSURE_LIMIT,
            "page_tables": [
                build_page_table(
                    _("Unknown results"), list_exposure(), columns=columns_of(Exposure)
                )
            ],
        }
        return render(request, "engine/admin_exposure.html", shown)

    @admin.display(description=_("Payment"))
    def payment(self, attempt: ChannelAttempt) -> str:
        """Link the payment."""
        return link_number(attempt.payment_no)

    @admin.display(description=_("Order"))
    def order(self, attempt: ChannelAttempt) -> str:
        """Link the order."""
        return link_number(attempt.order_no)

    def build_tables(self, obj: ChannelAttempt) -> list[PageTable]:
        """Show calls, callbacks and moves."""
        callbacks = ChannelCallback.objects.filter(attempt_no=obj.attempt_no).order_by("id")
        columns = ("id", "received_at", "result", "note")
        return [
            build_calls_table(order_no=obj.order_no, attempt_no=obj.attempt_no),
            build_page_table(_("Callbacks"), callbacks, columns=columns),
            *super().build_tables(obj),
        ]


@admin.register(ChannelCallback)
class ChannelCallbackAdmin(ReadOnlyAdmin):
    """Callbacks as they came, secrets blotted out."""

    not_exported = ("body",)
    list_display = ("id", "received_at", "channel_code", "outcome", "about", "what_came")
    list_filter = ("result", "channel_code")
    indexed_filters = tuple(
        ("result__exact", result) for result in ("RECEIVED", "REFUSED", "UNMATCHED", "QUARANTINED")
    )
    search_fields = ("attempt_no",)
    search_help_text = _("A whole attempt number, or the callback's own")
    searched = {numbers.ATTEMPT: "attempt_no", "": "pk"}
    ordering = ("-id",)
    fields = (
        ("id", "received_at"),
        ("channel_code", "outcome"),
        ("attempt", "refund"),
        "note",
        "sent_headers",
        "text",
    )
    readonly_fields = ("outcome", "attempt", "refund", "sent_headers", "text")
    actions_detail = ("replay",)

    @confirmed_action(
        description=_("Replay"),
        permission="engine.change_channelcallback",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="replay",
        icon="replay",
    )
    def replay(self, *, object_no: str, **_answers: Any) -> str:
        """Verify it again and apply it; a second time has no second effect."""
        apply_here = transactions.join(apply_stored_callback)
        done = apply_here(callback_id=int(object_no))
        return say("Replayed: %(result)s (%(note)s)") % {"result": done.result, "note": done.note}

    @admin.display(description=_("Refund"))
    def refund(self, callback: ChannelCallback) -> str:
        """Link the refund it was about."""
        return link_number(callback.refund_no or "–")

    @admin.display(description=_("Result"), ordering="result")
    def outcome(self, callback: ChannelCallback) -> str:
        """Return what came of it."""
        return show_status(callback.result)

    @admin.display(description=_("About"))
    def about(self, callback: ChannelCallback) -> str:
        """Link what it was about: an attempt or a refund."""
        return link_number(callback.attempt_no or callback.refund_no or "–")

    @admin.display(description=_("Note"))
    def what_came(self, callback: ChannelCallback) -> str:
        """Say what came of it."""
        return show_code(callback.note or "–")

    @admin.display(description=_("Attempt"))
    def attempt(self, callback: ChannelCallback) -> str:
        """Link the attempt it was about."""
        return link_number(callback.attempt_no or "–")

    @admin.display(description=_("Headers"))
    def sent_headers(self, callback: ChannelCallback) -> str:
        """Return the headers without secrets."""
        return json.dumps(redact_value(callback.headers), indent=1, ensure_ascii=False)

    @admin.display(description=_("Body"))
    def text(self, callback: ChannelCallback) -> str:
        """Return the beginning of the body without secrets."""
        return redact_text(bytes(callback.body)[:_SHOWN_CHARACTERS].decode("utf-8", "replace"))


@admin.register(SavedCard)
class SavedCardAdmin(ReadOnlyAdmin):
    """Cards that payers wished to be saved. The channel's token is shown to nobody."""

    number_prefix = numbers.CARD
    list_display = ("card_no", "brand", "last4", "channel_code", "merchant_no", "removed_at")
    list_filter = ("channel_code", "brand")
    search_fields = ("card_no",)
    search_help_text = _("A whole card or merchant number, or what the merchant calls the payer")
    searched = {numbers.CARD: "card_no", numbers.MERCHANT: "merchant_no", "": "payer_ref"}
    ordering = ("-card_no",)
    fields = (
        ("card_no", "channel_code"),
        ("brand", "last4"),
        ("merchant", "payer_ref"),
        ("created_at", "removed_at"),
    )
    readonly_fields = ("merchant",)
    actions_detail = ("remove",)

    @confirmed_action(
        description=_("Remove"),
        permission="engine.change_savedcard",
        roles=(Role.SUPPORT, Role.RISK),
        url_path="remove",
        icon="delete",
    )
    def remove(self, *, object_no: str, **_answers: Any) -> str:
        """Take it away from its payer, at once."""
        transactions.join(remove_saved_card)(card_no=object_no)
        return say("The card is removed.")

    @admin.display(description=_("Merchant"))
    def merchant(self, card: SavedCard) -> str:
        """Link the merchant."""
        return link_number(card.merchant_no)
