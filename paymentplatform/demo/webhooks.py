"""Takes in what the platform tells: verify first, then store once, then act. Standard Webhooks 1.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from standardwebhooks.webhooks import Webhook

from paymentplatform.demo.credentials import load_credentials
from paymentplatform.demo.models import ReceivedWebhook, ShopOrder


def receive_webhook(*, headers: Mapping[str, str], body: bytes) -> ReceivedWebhook:
    """Verify and store one delivery; a repeated ``webhook-id`` has no second effect.

    Raises ``WebhookVerificationError`` of the library when the signature or the time is wrong.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    Webhook(load_credentials().webhook_secret).verify(body, lowered)
    event = json.loads(body)
    data = event["data"]
    with transaction.atomic():
        received, is_new = ReceivedWebhook.objects.get_or_create(
            webhook_id=lowered["webhook-id"],
            defaults={
                "merchant_order_no": str(data.get("merchant_order_no", "")),
                "event_type": str(event["type"]),
                "body": body.decode(),
            },
        )
        if not is_new:
            ReceivedWebhook.objects.filter(pk=received.pk).update(
                times_received=F("times_received") + 1
            )
        elif received.event_type == "order.success":
            _mark_paid(data)
    return received


def _mark_paid(data: Mapping[str, Any]) -> None:
    """Hand out the goods: only for our own order, and only when the amount and the currency are ours."""
    ShopOrder.objects.filter(
        merchant_order_no=data["merchant_order_no"],
        amount=data["amount"],
        currency=data["currency"],
        paid_at=None,
    ).update(paid_at=datetime.fromisoformat(str(data["paid_at"])))
