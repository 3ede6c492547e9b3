"""Events and deliveries for tests: recorded as the platform records them, ended as a sender ends them."""

from __future__ import annotations

import json
from typing import Any

from django.db import connection
from django.db.models.functions import Coalesce

from acquiring.models import Delivery, WebhookEndpoint
from acquiring.services.notifications import (
    DeliveryResult,
    claim_due_deliveries,
    record_results,
)
from acquiring.webhooks.schedule import Verdict
from acquiring.webhooks.signing import make_webhook_secret
from paymentplatform.kernel import numbers
from paymentplatform.kernel.encryption import encrypt_text

DEAD = Verdict("DEAD", "exhausted")
REFUSED = Verdict("DEAD", "url_refused")
"""Dead as well, but no reason to switch an endpoint off."""

DELIVERED = Verdict("DELIVERED")
LATER = Verdict("DUE", wait_s=3600)


def record_event(
    merchant_no: str,
    url: str | None = "https://shop.example.com/",
    *,
    kind: str = "order.success",
    object_no: str | None = None,
    data: Any = None,
) -> str:
    """Record one event as the payment function does; returns its id."""
    event_id = numbers.new_number(numbers.EVENT)
    body = {
        "id": event_id,
        "type": kind,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": data if data is not None else {"商品": "茶"},
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_record_event(%s, %s, %s, %s, %s, %s, %s)",
            [
                event_id,
                kind,
                merchant_no,
                object_no or numbers.new_number(numbers.ORDER),
                json.dumps(body, ensure_ascii=False),
                url,
                numbers.new_number(numbers.DELIVERY),
            ],
        )
    return event_id


def end_deliveries(merchant_no: str, verdict: Verdict, **result: Any) -> None:
    """End, or put off, every due delivery of this merchant as if it had been tried."""
    queue = Coalesce("endpoint_id", "merchant_no")
    others = Delivery.objects.exclude(merchant_no=merchant_no).values_list(queue, flat=True)
    claimed = claim_due_deliveries(limit=500, per_queue=500, busy_queues=sorted(set(others)))
    results = [DeliveryResult(delivery, verdict, **result) for delivery in claimed]
    record_results(results=results)


def make_endpoint(merchant_no: str, url: str, *, events: tuple[str, ...] = ()) -> str:
    """Register an endpoint; returns its number."""
    secrets = encrypt_text(json.dumps([make_webhook_secret()]))
    return str(
        WebhookEndpoint.objects.create(
            endpoint_id=numbers.new_number("wep"),
            merchant_id=merchant_no,
            url=url,
            events=list(events),
            secrets=secrets,
        ).endpoint_id
    )


def list_statuses(event_id: str) -> list[str]:
    """The states of an event's deliveries, oldest first."""
    deliveries = Delivery.objects.filter(event_id=event_id).order_by("created_at", "delivery_no")
    return list(deliveries.values_list("status", flat=True))
