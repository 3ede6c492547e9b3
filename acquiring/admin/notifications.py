"""Merchant events and their deliveries for operators; the one act is to deliver an event again."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.admin.dead_letters import (
    AgeFilter,
    DeadLetterBatch,
    MerchantFilter,
    ReasonFilter,
    ResentFilter,
    say_due,
)
from acquiring.admin.reason_words import explain_delivery
from acquiring.dossier import list_deliveries, list_moves, list_tries
from acquiring.models import Delivery, MerchantEvent, match_objects
from acquiring.services.redeliveries import redeliver_event, resend_events
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    clean_number,
    link_number,
)
from paymentplatform.kernel.roles import Role

EVENT_COLUMNS = ("event_id", "type", "created_at")
DELIVERY_COLUMNS = ("delivery_no", "event_id", "status", "tries", "due_at", "reason", "url")
TRY_COLUMNS = ("delivery_id", "number", "status_code", "error", "duration_ms", "at")


def foretell_redelivery(event_id: str) -> str:
    """Say to how many addresses an event would go."""
    report = resend_events(event_ids=[event_id], dry_run=True)
    return say("It goes to every address it has today: %d.") % len(report.resent)


@admin.register(MerchantEvent)
class MerchantEventAdmin(ReadOnlyAdmin):
    """Events with their deliveries and each try."""

    default_period = "day"
    not_exported = ("payload",)  # names the order's secret address
    number_prefix = numbers.EVENT
    list_display = ("event_id", "type", "about", "merchant_no", "created_at")
    list_filter = ("type",)
    search_fields = ("event_id",)
    search_help_text = _("A whole event, order or merchant number")
    searched = {
        numbers.EVENT: "event_id",
        numbers.MERCHANT: "merchant_no",
    }
    ordering = ("-event_id",)
    fields = (("event_id", "type"), ("about", "merchant"), "created_at", "body")
    readonly_fields = ("about", "merchant", "body")
    actions_detail = ("redeliver_event",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find also what was told of an order, a refund or late money."""
        number = clean_number(search_term)
        told_of = (numbers.ORDER, numbers.REFUND, numbers.LATE_MONEY)
        if number.partition("_")[0] in told_of:
            return queryset.filter(match_objects([number])), False
        return super().get_search_results(request, queryset, search_term)

    @confirmed_action(
        description=_("Deliver again"),
        permission="acquiring.add_delivery",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="redeliver",
        icon="send",
        foretell=lambda event: foretell_redelivery(event.pk),
    )
    def redeliver_event(self, *, object_no: str, **_answers: Any) -> str:
        """Make a new delivery to every address the event ever had."""
        made = transactions.join(redeliver_event)(event_id=object_no)
        return say_due(len(made))

    @admin.display(description=_("About"), ordering="object_no")
    def about(self, event: MerchantEvent) -> str:
        """Link what it tells of."""
        return link_number(event.object_no)

    @admin.display(description=_("Merchant"))
    def merchant(self, event: MerchantEvent) -> str:
        """Link the merchant."""
        return link_number(event.merchant_no)

    @admin.display(description=_("Body"))
    def body(self, event: MerchantEvent) -> SafeString:
        """Return the body as it is sent, laid out; the cashier's address is left out, it lets anybody pay."""
        document = json.loads(event.payload)
        if isinstance(document.get("data"), dict) and "cashier_url" in document["data"]:
            document["data"]["cashier_url"] = "…"
        return format_html(
            '<pre class="whitespace-pre-wrap text-xs">{}</pre>',
            json.dumps(document, indent=2, ensure_ascii=False),
        )

    def build_tables(self, obj: MerchantEvent) -> list[PageTable]:
        """Show deliveries and tries."""
        deliveries = list_deliveries(event_ids=[obj.event_id])
        tries = list_tries(delivery_nos=[delivery.delivery_no for delivery in deliveries])
        return [
            build_page_table(_("Deliveries"), deliveries, columns=DELIVERY_COLUMNS),
            build_page_table(_("Tries"), tries, columns=TRY_COLUMNS),
        ]


@admin.register(Delivery)
class DeliveryAdmin(DeadLetterBatch, ReadOnlyAdmin):
    """Deliveries with each try; those in the states DEAD and SKIPPED can be chosen and delivered again."""

    actions = ("redeliver_chosen",)

    default_period = "day"
    indexed_filters = (("status__exact", "DEAD"),)
    implied: ClassVar = {"DUE": {"due_at__isnull": False}}
    time_filters = (AgeFilter.parameter_name,)
    number_prefix = numbers.DELIVERY
    list_display = ("delivery_no", "state", "tries", "why_ended", "last_error", "event_no", "url")
    list_filter = ("status", "target", ReasonFilter, ResentFilter, AgeFilter, MerchantFilter)
    search_fields = ("delivery_no",)
    search_help_text = _("A whole delivery, event, endpoint or merchant number")
    searched = {
        numbers.DELIVERY: "delivery_no",
        numbers.EVENT: "event_id",
        numbers.ENDPOINT: "endpoint_id",
        numbers.MERCHANT: "merchant_no",
    }
    ordering = ("-delivery_no",)
    fields = (
        ("delivery_no", "state"),
        ("event_no", "merchant"),
        ("target", "url"),
        ("tries", "last_status_code", "last_error"),
        ("due_at", "why_ended"),
        ("created_at", "delivered_at"),
    )
    readonly_fields = ("state", "event_no", "merchant", "why_ended")

    @admin.display(description=_("Why it ended"))
    def why_ended(self, delivery: Delivery) -> str:
        """Return the reason with a sentence."""
        return explain_delivery(delivery.reason)

    @admin.display(description=_("Event"))
    def event_no(self, delivery: Delivery) -> str:
        """Link the event, where it can be delivered again."""
        return link_number(delivery.event_id)

    @admin.display(description=_("Merchant"))
    def merchant(self, delivery: Delivery) -> str:
        """Link the merchant."""
        return link_number(delivery.merchant_no)

    def build_tables(self, obj: Delivery) -> list[PageTable]:
        """Show tries and moves."""
        return [
            build_page_table(
                _("Tries"), list_tries(delivery_nos=[obj.delivery_no]), columns=TRY_COLUMNS
            ),
            build_page_table(
                _("Moves"), list_moves(object_nos=[obj.delivery_no]), columns=MOVE_COLUMNS
            ),
        ]
