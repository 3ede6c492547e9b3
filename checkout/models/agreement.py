"""Payer agreements 代扣协议: what a payer allows one merchant to take without asking again, and its open uses."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from checkout.models.wallet import PayerWallet
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, set_once


class PayerAgreement(models.Model):
    """A revocable consent; its token is known to the merchant only (we keep a SHA-256).

    ``spent_amount`` counts minor units taken on ``spent_date`` (business date); the CHECK is the daily limit.
    """

    database_access = grants.MUTABLE

    agreement_no = NumberField(primary_key=True)
    payer = models.ForeignKey(PayerWallet, on_delete=models.PROTECT, related_name="agreements")
    merchant_no = models.TextField()
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    currency = models.CharField(max_length=3)
    max_per_payment = models.BigIntegerField()
    max_per_day = models.BigIntegerField()
    spent_date = models.DateField(null=True)
    spent_amount = models.BigIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "checkout_payer_agreement"
        constraints = [
            models.CheckConstraint(
                condition=Q(spent_amount__gte=0) & Q(spent_amount__lte=F("max_per_day")),
                name="checkout_agreement_daily_limit",
            ),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "agreement_no",
                "payer_id",
                "merchant_no",
                "token_hash",
                "currency",
                "max_per_payment",
                "max_per_day",
                "created_at",
            ),
            set_once("revoked_at"),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_no}: {self.payer_id} → {self.merchant_no}"


class AgreementUse(models.Model):
    """What one payment, part balance and part channel, counts toward the daily limit of an agreement.

    Such a payment may still fail long after it was accepted. Then ``released_at`` is set, once, and the day gets the
    amount back; that happens when somebody needs the room. Payments from the balance alone end at once and leave none.
    """

    database_access = grants.MUTABLE

    payment_no = NumberField(primary_key=True)
    agreement = models.ForeignKey(
        PayerAgreement, on_delete=models.PROTECT, related_name="uses", db_index=False
    )
    amount = models.BigIntegerField()
    spent_date = models.DateField()
    released_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_agreement_use"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=1), name="checkout_agreement_use_positive"
            )
        ]
        indexes = [
            models.Index(
                fields=["agreement", "spent_date"],
                name="checkout_agreement_use_open",
                condition=Q(released_at__isnull=True),
            )
        ]
        triggers = [
            forbid_delete(),
            freeze_columns("payment_no", "agreement_id", "amount", "spent_date", "created_at"),
            set_once("released_at"),
        ]

    def __str__(self) -> str:
        return f"{self.payment_no}: {self.amount} of {self.agreement_id}"
