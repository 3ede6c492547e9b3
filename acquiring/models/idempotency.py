"""Idempotency keys 幂等键: what a merchant's request was answered with, so that its repetition is answered the same."""

from __future__ import annotations

from django.db import models

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import freeze_columns, never_decrease, set_once


class IdempotencyKey(models.Model):
    """One key of one merchant on one address: claimed, and answered once its request has ended.

    ``scope_digest`` is of method, address and key, ``request_digest`` of the request itself. Whoever runs the request
    holds a lease until ``leased_until`` under the number ``fence``, which grows with every one that takes over;
    only the newest may answer. ``answer`` is the body, encrypted: some carry a secret that is shown once.
    """

    database_access = grants.FULL

    claim_no = NumberField(primary_key=True)
    merchant_no = NumberField()
    scope_digest = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    route = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    fence = models.PositiveIntegerField(default=1)
    leased_until = models.DateTimeField()
    answer_status = models.PositiveSmallIntegerField(null=True)
    answer_type = models.CharField(max_length=64, null=True)
    answer = models.TextField(null=True)
    answered_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=32)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_idempotency_key"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "scope_digest"], name="acquiring_idempotency_key_scope"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    answered_at__isnull=True,
                    answer_status__isnull=True,
                    answer_type__isnull=True,
                    answer__isnull=True,
                )
                | models.Q(
                    answered_at__isnull=False,
                    answer_status__isnull=False,
                    answer_type__isnull=False,
                    answer__isnull=False,
                ),
                name="acquiring_idempotency_key_answered_wholly",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="acquiring_idempotency_key_age")]
        triggers = [
            freeze_columns(
                "claim_no", "merchant_no", "scope_digest", "request_digest", "key", "created_at"
            ),
            set_once("answer_status", "answer_type", "answer", "answered_at"),
            never_decrease("fence"),
        ]

    def __str__(self) -> str:
        return f"{self.claim_no}: {self.route}"
