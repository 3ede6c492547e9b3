"""Takes in what the platform tells: verify first, then store once, then act. Standard Webhooks 1.0."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import F
from paymentplatform_client import Event, verify_webhook

from paymentplatform.demo.credentials import load_credentials
from paymentplatform.demo.models import ReceivedWebhook, ShopOrder


def receive_webhook(*, headers: Mapping[str, str], body: bytes) -> ReceivedWebhook:
    """Verify and store one delivery; a repeated event has no second effect.

    Raises ``WebhookRefused`` of the client when the signature or the time is wrong.
    """
    event = verify_webhook(secrets=load_credentials().webhook_secret, headers=headers, body=body)
    with transaction.atomic():
        received, is_new = ReceivedWebhook.objects.get_or_create(
            webhook_id=event.id,
            defaults={
                "merchant_order_no": str(event.data.get("merchant_order_no", "")),
                "event_type": event.type,
                "body": body.decode(),
            },
        )
        if not is_new:
            ReceivedWebhook.objects.filter(pk=received.pk).update(
                times_received=F("times_received") + 1
            )
        elif event.type == "order.success":
            _mark_paid(event)
    return received


def _mark_paid(event: Event) -> None:
    """Hand out the goods: only for our own order, and only when the amount and the currency are ours."""
    order = event.order
    ShopOrder.objects.filter(
        merchant_order_no=order.merchant_order_no,
        amount=order.amount,
        currency=order.currency,
        paid_at=None,
    ).update(paid_at=order.paid_at)
