"""Webhook endpoints 通知端点 for operators: how each is doing; switched off and on by a confirmed act with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.admin.dead_letters import DEAD_QUERY, MOST_COUNTED, show_count
from acquiring.admin.reason_words import explain_endpoint, explain_try
from acquiring.endpoint_states import EndpointState, list_endpoint_states
from acquiring.models import Delivery, DeliveryTry, WebhookEndpoint
from acquiring.services.letters import list_unresent
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
from paymentplatform.kernel.roles import Role

_SHOWN = 20
_DELIVERY_COLUMNS = ("delivery_no", "event_id", "tries", "due_at", "delivered_at", "last_error")


def _is_on(endpoint: WebhookEndpoint) -> bool:
    return endpoint.enabled


def foretell_switch_off(endpoint: WebhookEndpoint) -> str:
    """Say what switching off ends."""
    return say(
        "Nothing more is sent to it. Deliveries that wait for it and end now: %d (1000 stands for more)."
    ) % (_state_of(endpoint).waiting)


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
        ("state", "why_off"),
        ("url", "wanted"),
        ("last_success_at", "last_failure"),
        ("waiting", "dead_letters"),
        ("created_at", "changed_at"),
        ("disabled_at", "deleted_at"),
    )
    readonly_fields = (
        "state",
        "merchant_number",
        "wanted",
        "last_success_at",
        "waiting",
        "why_off",
        "last_failure",
        "dead_letters",
        "created_at",
        "changed_at",
    )
    actions_detail = ("disable_endpoint", "enable_endpoint")

    @confirmed_action(
        description=_("Switch off"),
        permission="acquiring.change_webhookendpoint",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="disable",
        icon="notifications_off",
        offered=_is_on,
        foretell=foretell_switch_off,
    )
    def disable_endpoint(self, *, object_no: str, **_answers: Any) -> str:
        """Send nothing more, end what waits, and tell the merchant's other endpoints."""
        transactions.join(disable_endpoint)(endpoint_id=object_no)
        return say("The endpoint is off.")

    @confirmed_action(
        description=_("Switch on"),
        permission="acquiring.change_webhookendpoint",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="enable",
        icon="notifications_active",
        offered=lambda endpoint: not endpoint.enabled and endpoint.deleted_at is None,
        foretell=lambda _endpoint: say(
            "Events are sent to it from now on. What it missed goes out only when you press"
            " “Deliver dead letters again” on the merchant's page."
        ),
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

    @admin.display(description=_("Why it is off"))
    def why_off(self, endpoint: WebhookEndpoint) -> str:
        """Return the reason with a sentence."""
        return explain_endpoint(endpoint.disabled_reason)

    @admin.display(description=_("Dead letters"))
    def dead_letters(self, endpoint: WebhookEndpoint) -> SafeString:
        """Link those that were not sent again since, with their count."""
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?{}&q={}">{}</a>',
            reverse("admin:acquiring_delivery_changelist"),
            DEAD_QUERY,
            endpoint.pk,
            show_count(list_unresent(_list_dead(endpoint))[: MOST_COUNTED + 1].count()),
        )

    @admin.display(description=_("Last failure"))
    def last_failure(self, endpoint: WebhookEndpoint) -> str | SafeString:
        """Say when and how the last failed try ended that is not made good yet, and of which delivery."""
        made = _find_last_failure(endpoint)
        if made is None:
            return "–"
        return format_html(
            "{} {} ({})", show_time(made.at), explain_try(made), link_number(made.delivery_id)
        )

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


def _list_dead(endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        merchant_no=endpoint.merchant_id, endpoint_id=endpoint.endpoint_id, status="DEAD"
    )


def _find_last_failure(endpoint: WebhookEndpoint) -> DeliveryTry | None:
    """Find it among what waits or was given up last; a delivery that got through in the end is none."""
    waiting = Delivery.objects.filter(endpoint_id=endpoint.endpoint_id, due_at__isnull=False)
    tried = [
        number
        for rows in (waiting.filter(tries__gt=0), _list_dead(endpoint))
        for number in rows.order_by("-delivery_no").values_list("pk", flat=True)[:_SHOWN]
    ]
    failed = DeliveryTry.objects.filter(delivery__in=tried).exclude(error="")
    return failed.order_by("-at", "-id").first()
