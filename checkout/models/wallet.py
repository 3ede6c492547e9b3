"""Payer wallets 付款人钱包: who pays and how he proves it. The money itself is in the ledger."""

from __future__ import annotations

from django.db import models

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns


class PayerWallet(models.Model):
    """A payer's wallet. ``wrong_tries`` counts payment passwords tried since the last right one.

    ``locked_until`` is set by the fifth wrong try; until then even the right password is refused.
    """

    database_access = grants.MUTABLE

    payer_no = NumberField(primary_key=True)
    display_name = models.CharField(max_length=64)
    password_hash = models.TextField(editable=False)
    wrong_tries = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_payer_wallet"
        triggers = [forbid_delete(), freeze_columns("payer_no", "created_at")]

    def __str__(self) -> str:
        return f"{self.display_name} ({self.payer_no})"


class WalletSession(models.Model):
    """A payer logged in to his wallet: what the browser's cookie is good for, kept as its SHA-256.

    Deleted when he logs out, and by the sweep once it is over.
    """

    database_access = grants.FULL

    token_hash = models.CharField(max_length=64, primary_key=True)
    payer_no = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "checkout_wallet_session"
        indexes = [models.Index(fields=["expires_at"], name="checkout_wallet_session_over")]
        triggers = [freeze_columns("token_hash", "payer_no", "created_at", "expires_at")]

    def __str__(self) -> str:
        return f"{self.payer_no} until {self.expires_at}"
