"""Webhook endpoints 通知端点 for operators: how each is doing; switched off and on by a confirmed act with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.endpoint_states import EndpointState, list_endpoint_states
from acquiring.models import Delivery, WebhookEndpoint
from acquiring.services.webhook_endpoints import disable_endpoint, enable_endpoint
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    columns_of,
    link_number,
    show_status,
    show_time,
)

_SHOWN = 20
_DELIVERY_COLUMNS = ("delivery_no", "event_id", "tries", "due_at", "delivered_at", "last_error")


def build_endpoint_table(merchant_no: str) -> PageTable:
    """Show how a merchant's endpoints are doing, for the merchant's page."""
    return build_page_table(
        _("Webhook endpoints"),
        list_endpoint_states(merchant_no=merchant_no),
        columns=columns_of(EndpointState),
    )


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Endpoints of merchants; their secrets are shown to nobody."""

    number_prefix = numbers.ENDPOINT
    list_display = (
        "endpoint_id",
        "url",
        "state",
        "disabled_reason",
        "merchant_number",
        "created_at",
    )
    list_filter = ("enabled", "disabled_reason", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("endpoint_id",)
    search_help_text = _("A whole endpoint or merchant number")
    searched = {numbers.ENDPOINT: "endpoint_id", numbers.MERCHANT: "merchant_id"}
    ordering = ("-endpoint_id",)
    fields = (
        ("endpoint_id", "merchant_number"),
        ("state", "disabled_reason", "disabled_at"),
        ("url", "wanted"),
        ("last_success_at", "waiting", "failures"),
        ("created_at", "changed_at", "deleted_at"),
    )
    readonly_fields = (
        "state",
        "merchant_number",
        "wanted",
        "last_success_at",
        "waiting",
        "failures",
        "created_at",
        "changed_at",
    )
    actions_detail = ("disable_endpoint", "enable_endpoint")

    @confirmed_action(
        description=_("Switch off"),
        permission="acquiring.change_webhookendpoint",
        url_path="disable",
        icon="notifications_off",
    )
    def disable_endpoint(self, *, object_no: str, **_answers: Any) -> str:
        """Send nothing more, end what waits, and tell the merchant's other endpoints."""
        transactions.join(disable_endpoint)(endpoint_id=object_no)
        return say("The endpoint is off.")

    @confirmed_action(
        description=_("Switch on"),
        permission="acquiring.change_webhookendpoint",
        url_path="enable",
        icon="notifications_active",
    )
    def enable_endpoint(self, *, object_no: str, **_answers: Any) -> str:
        """Send events again from now on."""
        transactions.join(enable_endpoint)(endpoint_id=object_no)
        return say("The endpoint is on.")

    @admin.display(description=_("Status"), ordering="enabled")
    def state(self, endpoint: WebhookEndpoint) -> SafeString:
        """Return ACTIVE, DISABLED or DELETED, coloured."""
        if endpoint.deleted_at is not None:
            return show_status("DELETED")
        return show_status("ACTIVE" if endpoint.enabled else "DISABLED")

    @admin.display(description=_("Merchant"), ordering="merchant")
    def merchant_number(self, endpoint: WebhookEndpoint) -> str:
        """Link the merchant."""
        return link_number(endpoint.merchant_id)

    @admin.display(description=_("Wanted types"))
    def wanted(self, endpoint: WebhookEndpoint) -> str:
        """Return the types it is sent."""
        return ", ".join(endpoint.events) or say("all")

    @admin.display(description=_("Last success"))
    def last_success_at(self, endpoint: WebhookEndpoint) -> str | SafeString:
        """Return when something last got through."""
        at = _state_of(endpoint).last_success_at
        return show_time(at) if at is not None else "–"

    @admin.display(description=_("Waiting"))
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        """Return how many deliveries wait, a thousand at most."""
        return _state_of(endpoint).waiting

    @admin.display(description=_("Given up"))
    def failures(self, endpoint: WebhookEndpoint) -> int:
        """Return how many deliveries were given up, a thousand at most."""
        return _state_of(endpoint).failures

    def build_tables(self, obj: WebhookEndpoint) -> list[PageTable]:
        """Show what waits longest and what got through last."""
        mine = Delivery.objects.filter(endpoint_id=obj.endpoint_id)
        waiting = mine.filter(due_at__isnull=False).order_by("due_at")[:_SHOWN]
        through = mine.filter(delivered_at__isnull=False).order_by("-delivered_at")[:_SHOWN]
        return [
            build_page_table(_("Waiting longest"), waiting, columns=_DELIVERY_COLUMNS),
            build_page_table(_("Delivered last"), through, columns=_DELIVERY_COLUMNS),
        ]


def _state_of(endpoint: WebhookEndpoint) -> EndpointState:
    (state,) = list_endpoint_states(endpoint_ids=[endpoint.endpoint_id])
    return state
