"""Webhook endpoints 通知端点: addresses that a merchant has registered for its events."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from acquiring.models.merchant import Merchant
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, set_once


class WebhookEndpoint(models.Model):
    """One address of a merchant, with the types it wants: ``events``, or all of them when that is empty.

    ``secrets`` is one encrypted JSON list, the newest first; a replaced one carries the time until which it signs as
    well. ``changed_at`` is when what it is sent was last changed. ``emptying`` says that it no longer takes events
    and its waiting deliveries are still being ended. A deleted one stays, without any right.
    """

    class DisabledReason(models.TextChoices):
        GONE = "gone"
        EXHAUSTED = "exhausted"
        MERCHANT = "merchant"
        OPERATOR = "operator"

    database_access = grants.MUTABLE

    endpoint_id = NumberField(primary_key=True)
    merchant = models.ForeignKey(
        Merchant,
        on_delete=models.PROTECT,
        related_name="webhook_endpoints",
        db_column="merchant_no",
        db_index=False,
    )
    url = models.TextField()
    events = models.JSONField(default=list)
    enabled = models.BooleanField(default=True, db_default=True)
    disabled_reason = models.CharField(max_length=16, choices=DisabledReason.choices, null=True)
    disabled_at = models.DateTimeField(null=True)
    secrets = models.TextField(editable=False)
    emptying = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    changed_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "acquiring_webhook_endpoint"
        constraints = [
            models.CheckConstraint(
                condition=Q(enabled=True, disabled_reason__isnull=True, disabled_at__isnull=True)
                | Q(enabled=False, disabled_reason__isnull=False, disabled_at__isnull=False),
                name="acquiring_endpoint_disabled_why",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | Q(enabled=False),
                name="acquiring_endpoint_deleted_is_off",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "-endpoint_id"], name="acquiring_endpoint_newest"),
            models.Index(
                fields=["merchant"], name="acquiring_endpoint_enabled", condition=Q(enabled=True)
            ),
            models.Index(
                fields=["endpoint_id"],
                name="acquiring_endpoint_emptying",
                condition=Q(emptying=True),
            ),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns("endpoint_id", "merchant_no", "created_at"),
            set_once("deleted_at"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.url}"
