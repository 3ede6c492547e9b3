"""What operators have refunded alone."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, never_decrease


class RefundAllowance(models.Model):
    """How much one operator has refunded alone on one business day in one currency (minor units); it only grows.

    A refund that fails afterwards stays counted: it was one person's word all the same.
    """

    database_access = grants.MUTABLE

    pk = models.CompositePrimaryKey("operator", "day", "currency")
    operator = models.TextField()
    day = models.DateField()
    currency = models.CharField(max_length=3)
    spent_amount = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_refund_allowance"
        constraints = [
            models.CheckConstraint(
                condition=Q(spent_amount__gte=1), name="acquiring_refund_allowance_spent"
            )
        ]
        triggers = [
            forbid_delete(),
            freeze_columns("operator", "day", "currency", "created_at"),
            never_decrease("spent_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.operator} on {self.day}"
