"""Cards that payers wished to be saved, each a token of one channel."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, set_once


class SavedCard(models.Model):
    """A card of one payer at one merchant: what its channel calls it, never its number.

    ``token`` is the channel's, encrypted; ``token_digest`` tells whether it was saved before. The merchant pays with
    ``card_no`` (``crd_…``), which is worth nothing to anybody else. A removed card stays as a record.
    """

    database_access = grants.MUTABLE

    card_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    payer_ref = models.TextField()
    channel_code = models.TextField()
    token = models.TextField()
    token_digest = models.TextField()
    brand = models.TextField()
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField(db_default=PlatformNow())
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_saved_card"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "payer_ref", "channel_code", "token_digest"],
                name="engine_card_saved_once",
                condition=Q(removed_at__isnull=True),
            )
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "card_no",
                "merchant_no",
                "payer_ref",
                "channel_code",
                "token_digest",
                "brand",
                "last4",
                "created_at",
            ),
            set_once("removed_at"),
        ]

    def __str__(self) -> str:
        return self.card_no
