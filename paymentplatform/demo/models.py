"""The shop's own book: what it sold, and what it was told."""

from __future__ import annotations

from django.db import models

from paymentplatform.kernel import grants


class ShopOrder(models.Model):
    """One sale. ``paid_at`` is set by a verified webhook and by nothing else; amounts in minor units."""

    database_access = grants.MUTABLE

    merchant_order_no = models.TextField(primary_key=True)
    product = models.TextField()
    subject = models.TextField()
    amount = models.BigIntegerField()
    currency = models.TextField()
    order_no = models.TextField(default="")
    cashier_url = models.TextField(default="")
    created_at = models.DateTimeField(auto_now_add=True)
    paid_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "demo_order"

    def __str__(self) -> str:
        return self.merchant_order_no


class ReceivedWebhook(models.Model):
    """One event whose signature was verified; a repeated delivery only counts up ``times_received``."""

    database_access = grants.MUTABLE

    webhook_id = models.TextField(primary_key=True)
    merchant_order_no = models.TextField(db_index=True)
    event_type = models.TextField()
    body = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)
    times_received = models.IntegerField(default=1)

    class Meta:
        db_table = "demo_received_webhook"

    def __str__(self) -> str:
        return f"{self.event_type} {self.webhook_id}"
