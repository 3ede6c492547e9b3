"""What an event may carry only until it has arrived."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from acquiring.models.notification import MerchantEvent
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns


class SealedBody(models.Model):
    """The body of an event that carries a secret shown once, encrypted; it is sent instead of the stored payload.

    Emptied at ``wipe_at``, or when every delivery of the event has ended: from then on only the payload is left,
    which has null in the secret's place.
    """

    database_access = grants.MUTABLE

    event = models.OneToOneField(
        MerchantEvent,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="sealed_body",
        db_constraint=False,
    )
    sealed = models.TextField(null=True, editable=False)
    wipe_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_sealed_body"
        verbose_name_plural = "sealed bodies"
        indexes = [
            models.Index(
                fields=["wipe_at"],
                name="acquiring_sealed_body_due",
                condition=Q(sealed__isnull=False),
            )
        ]
        triggers = [forbid_delete(), freeze_columns("event_id", "wipe_at", "created_at")]

    def __str__(self) -> str:
        return f"{self.event_id} until {self.wipe_at}"
