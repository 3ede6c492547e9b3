"""Payouts that banks have given back after they had paid them."""

from __future__ import annotations

from django.db import models

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import guard_append_only


class PayoutReturn(models.Model):
    """The money of one PAID payout is back in our bank account, all of it, and its merchant's again.

    The payout stays PAID: the bank has paid it. ``bank_reference`` is what the bank's statement knows the return by,
    which may be the payout's own; ``return_code`` why the bank gave it back; ``decided_by`` the proposal.
    """

    database_access = grants.APPEND_ONLY

    payout_no = NumberField(primary_key=True)
    bank_reference = models.TextField()
    return_code = models.TextField()
    decided_by = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "acquiring_payout_return"
        constraints = [
            models.UniqueConstraint(
                fields=["bank_reference"], name="acquiring_payout_return_reference"
            )
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return self.payout_no
