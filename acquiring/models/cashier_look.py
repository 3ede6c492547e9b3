"""What a merchant's cashier looks like, and which of its pages may show the cashier in a frame."""

from __future__ import annotations

from django.db import models

from acquiring.models.merchant import Merchant
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns


class CashierLook(models.Model):
    """One row per merchant that has its own look; none means the platform's.

    ``colour`` (#rrggbb, or empty) is the ground of the order's side. ``logo`` is a small picture as a data: address, or
    empty. ``embed_origins`` are the origins whose pages may frame the cashier.
    """

    database_access = grants.MUTABLE

    merchant = models.OneToOneField(
        Merchant,
        on_delete=models.PROTECT,
        primary_key=True,
        db_column="merchant_no",
        related_name="cashier_look",
    )
    colour = models.CharField(max_length=7, blank=True, default="")
    logo = models.TextField(blank=True, default="")
    embed_origins = models.JSONField(default=list, blank=True)
    changed_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_cashier_look"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(colour="") | models.Q(colour__regex="^#[0-9a-f]{6}$"),
                name="acquiring_cashier_look_colour",
            ),
            models.CheckConstraint(
                condition=models.Q(logo="")
                | models.Q(logo__regex="^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+=*$"),
                name="acquiring_cashier_look_logo",
            ),
        ]
        triggers = [forbid_delete(), freeze_columns("merchant_no")]

    def __str__(self) -> str:
        return f"the cashier of {self.merchant_id}"
