"""Webhook endpoints 通知端点: make, change, switch off and on, delete, try out; their secrets."""

from __future__ import annotations

import msgspec
from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from acquiring.endpoint_contracts import (
    MOST_ENDPOINTS,
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    WebhookEndpointLimitReached,
    WebhookEndpointView,
    WebhookEndpointWithSecret,
)
from acquiring.event_types import EventType
from acquiring.models import Merchant, WebhookEndpoint
from acquiring.services.idempotency import current_claim, new_or_claimed_number
from acquiring.services.order_moves import DELIVERY_TASK
from acquiring.webhooks.endpoint_secrets import read_newest, rotate_secrets, start_secrets
from paymentplatform.kernel import context, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.destinations import check_url
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound
from paymentplatform.kernel.jobs import ring
from paymentplatform.kernel.sqlcalls import call_function

_REASON = WebhookEndpoint.DisabledReason


@transactions.start
def create_endpoint(*, merchant_no: str, body: CreateWebhookEndpoint) -> WebhookEndpointWithSecret:
    """Make an endpoint that takes events from now on (start).

    Run again under the same claim it returns what it made. Raises InvalidRequest, WebhookEndpointLimitReached.
    """
    _check_url(body.url)
    _check_events(body.events)
    merchant = Merchant.objects.select_for_update(no_key=True).get(pk=merchant_no)
    endpoint_id = new_or_claimed_number(numbers.ENDPOINT)
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id, merchant=merchant).first()
    if endpoint is None:
        live = WebhookEndpoint.objects.filter(merchant=merchant, deleted_at__isnull=True).count()
        if live >= MOST_ENDPOINTS:
            raise WebhookEndpointLimitReached(
                f"A merchant has {MOST_ENDPOINTS} endpoints at most; delete one first."
            )
        endpoint = WebhookEndpoint.objects.create(
            endpoint_id=endpoint_id,
            merchant=merchant,
            url=body.url,
            events=body.events,
            secrets=start_secrets(made_under=current_claim()),
        )
    return _show_with_secret(endpoint)


@transactions.start
def change_endpoint(
    *, merchant_no: str, endpoint_id: str, body: ChangeWebhookEndpoint
) -> WebhookEndpointView:
    """Change what is named (start). Waiting deliveries go where the endpoint is when they are tried.

    Switching off ends what waits; switching on again brings nothing back. Raises InvalidRequest, NotFound.
    """
    if body.url is not None:
        _check_url(body.url)
    _check_events(body.events or [])
    endpoint = _lock(endpoint_id, merchant_no)
    if body.url is not None:
        endpoint.url = body.url
    if body.events is not None:
        endpoint.events = body.events
    endpoint.changed_at = database_now()
    endpoint.save(update_fields=["url", "events", "changed_at"])
    if body.enabled is True:
        _enable(endpoint)
    elif body.enabled is False:
        _disable(endpoint_id, _REASON.MERCHANT, tell=False)
    return get_endpoint(merchant_no=merchant_no, endpoint_id=endpoint_id)


@transactions.start
def delete_endpoint(*, merchant_no: str, endpoint_id: str) -> None:
    """Take an endpoint away and end what waits for it (start); its row stays for the record. Raises NotFound."""
    _lock(endpoint_id, merchant_no)
    _disable(endpoint_id, _REASON.MERCHANT, tell=False)
    WebhookEndpoint.objects.filter(pk=endpoint_id).update(deleted_at=database_now())


@transactions.start
def rotate_endpoint_secret(*, merchant_no: str, endpoint_id: str) -> WebhookEndpointWithSecret:
    """Put a new signing secret in front; the previous one signs beside it for 24 hours (start).

    Run again under the same claim it returns the secret it made. Raises NotFound.
    """
    endpoint = _lock(endpoint_id, merchant_no)
    claim = current_claim()
    if claim is None or read_newest(endpoint.secrets).made_under != claim:
        endpoint.secrets = rotate_secrets(endpoint.secrets, now=database_now(), made_under=claim)
        endpoint.save(update_fields=["secrets"])
    return _show_with_secret(endpoint)


@transactions.start
def send_test_event(*, merchant_no: str, endpoint_id: str) -> str:
    """Send an event to this endpoint alone, whatever types it wants, and return the event's id (start).

    Raises NotFound, WebhookEndpointDisabled.
    """
    event_id = new_or_claimed_number(numbers.EVENT)
    call_function("acquiring_test_endpoint", endpoint_id, merchant_no, event_id)
    ring(DELIVERY_TASK)
    return event_id


@transactions.start
def enable_endpoint(*, endpoint_id: str) -> None:
    """Switch an endpoint on for an operator; repeating changes nothing (start). Raises NotFound."""
    _enable(_lock(endpoint_id))


@transactions.start
def disable_endpoint(*, endpoint_id: str) -> None:
    """Switch an endpoint off for an operator and tell the merchant's others; repeating changes nothing (start).

    Raises NotFound.
    """
    _lock(endpoint_id)
    _disable(endpoint_id, _REASON.OPERATOR, tell=True)


def get_endpoint(*, merchant_no: str, endpoint_id: str) -> WebhookEndpointView:
    """Return one endpoint of the merchant. Raises NotFound, for a deleted one as well."""
    found = _render(_live(merchant_no).filter(pk=endpoint_id))
    if not found:
        raise NotFound
    return msgspec.json.decode(found[0], type=WebhookEndpointView)


def list_endpoints_json(
    *, merchant_no: str, limit: int, before: str | None = None
) -> tuple[list[bytes], str | None]:
    """Return up to ``limit`` endpoints as JSON, newest first, and the id to go on before (None at the end)."""
    wanted = _live(merchant_no).order_by("-endpoint_id")
    if before is not None:
        wanted = wanted.filter(endpoint_id__lt=before)
    found = list(wanted.values_list("pk", flat=True)[: limit + 1])
    page = found[:limit]
    return _render(WebhookEndpoint.objects.filter(pk__in=page)), (
        page[-1] if len(found) > limit else None
    )


def _live(merchant_no: str) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(merchant_id=merchant_no, deleted_at__isnull=True)


def _render(endpoints: QuerySet[WebhookEndpoint]) -> list[bytes]:
    """Render endpoints, newest first, by the one function that knows their form."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_endpoint_json(w)::text FROM acquiring_webhook_endpoint w"
            " WHERE w.endpoint_id = ANY(%s::text[]) ORDER BY w.endpoint_id DESC",
            [list(endpoints.values_list("pk", flat=True))],
        )
        return [rendered.encode() for (rendered,) in cursor.fetchall()]


def _lock(endpoint_id: str, merchant_no: str | None = None) -> WebhookEndpoint:
    wanted = WebhookEndpoint.objects.select_for_update().filter(deleted_at__isnull=True)
    if merchant_no is not None:
        wanted = wanted.filter(merchant_id=merchant_no)
    endpoint = wanted.filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def _enable(endpoint: WebhookEndpoint) -> None:
    if endpoint.enabled:
        return
    endpoint.enabled, endpoint.emptying = True, False
    endpoint.disabled_reason = endpoint.disabled_at = None
    endpoint.changed_at = database_now()
    endpoint.save(
        update_fields=["enabled", "emptying", "disabled_reason", "disabled_at", "changed_at"]
    )


def _disable(endpoint_id: str, reason: str, *, tell: bool) -> None:
    call_function("acquiring_disable_endpoint", endpoint_id, str(reason), tell, context.actor.get())
    if tell:
        ring(DELIVERY_TASK)


def _show_with_secret(endpoint: WebhookEndpoint) -> WebhookEndpointWithSecret:
    view = get_endpoint(merchant_no=endpoint.merchant_id, endpoint_id=endpoint.endpoint_id)
    return WebhookEndpointWithSecret(
        **msgspec.structs.asdict(view), secret=read_newest(endpoint.secrets).secret
    )


def _check_url(url: str) -> None:
    check_url(url, allow_loopback_http=settings.WEBHOOK_ALLOW_LOOPBACK, field="url")


def _check_events(events: list[EventType]) -> None:
    if len(set(events)) != len(events):
        detail = "each type once"
        raise InvalidRequest(f"events: {detail}", errors=(FieldError("events", "format", detail),))
