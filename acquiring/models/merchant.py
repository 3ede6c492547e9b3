"""Merchants 商户 and their fee contracts."""

from __future__ import annotations

from django.db import models

from acquiring.business_calendar import MAX_SETTLEMENT_DAYS
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_append_only,
)


class Merchant(models.Model):
    """Who sells. ``webhook_secrets`` is one encrypted JSON list, the newest secret first.

    ``late_money_policy`` ASK waits ``late_money_ask_minutes`` for the merchant's answer. An order takes at most
    ``max_refunds_per_order`` refunds, within ``refund_window_days`` of its payment. ``rate_limit_per_s`` requests are
    answered each second; NULL means the platform's default. ``signed_only`` refuses its Bearer keys. ``reference`` is
    the operator's own number for the wish that made it, used once.
    """

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        DISABLED = "DISABLED"

    class LateMoneyPolicy(models.TextChoices):
        REFUND = "REFUND"
        HOLD = "HOLD"
        ASK = "ASK"

    database_access = grants.MUTABLE

    merchant_no = NumberField(primary_key=True)
    name = models.CharField(max_length=128)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    return_origins = models.JSONField(default=list, blank=True)
    webhook_secrets = models.TextField(editable=False)
    max_tries = models.PositiveSmallIntegerField(default=5)
    signed_only = models.BooleanField(default=False, db_default=False)
    late_money_policy = models.CharField(
        max_length=16, choices=LateMoneyPolicy.choices, default=LateMoneyPolicy.REFUND
    )
    late_money_ask_minutes = models.PositiveIntegerField(default=60, db_default=60)
    max_refunds_per_order = models.PositiveIntegerField(default=50, db_default=50)
    refund_window_days = models.PositiveIntegerField(default=365, db_default=365)
    rate_limit_per_s = models.PositiveIntegerField(null=True, blank=True)
    reference = models.CharField(max_length=64, null=True, editable=False)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_merchant"
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="acquiring_merchant_reference"),
            models.CheckConstraint(
                condition=models.Q(max_tries__gte=1), name="acquiring_merchant_one_try_at_least"
            ),
            models.CheckConstraint(
                condition=models.Q(rate_limit_per_s__gte=1), name="acquiring_merchant_rate_limit"
            ),
        ]
        triggers = [forbid_delete(), freeze_columns("merchant_no", "created_at", "reference")]

    def __str__(self) -> str:
        return f"{self.name} ({self.merchant_no})"


class FeeContract(models.Model):
    """What a merchant pays us, and when we pay him, for orders created from ``valid_from`` on.

    ``rate_ppm`` millionths of each payment, unless ``terms`` (``acquiring.fee_terms``) has another price for its method
    and currency. ``settlement_days`` is the n of T+n; it counts from the newest contract, also for older payments.
    """

    database_access = grants.APPEND_ONLY

    contract_no = NumberField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="fee_contracts")
    rate_ppm = models.PositiveIntegerField()
    returned_on_refund = models.BooleanField(default=True)
    terms = models.JSONField(null=True)
    settlement_days = models.PositiveSmallIntegerField(default=1, db_default=1)
    valid_from = models.DateTimeField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_fee_contract"
        indexes = [
            models.Index(fields=["merchant", "-valid_from"], name="acquiring_fee_contract_latest")
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(rate_ppm__lte=1_000_000), name="acquiring_fee_at_most_amount"
            ),
            models.CheckConstraint(
                condition=models.Q(settlement_days__lte=MAX_SETTLEMENT_DAYS),
                name="acquiring_settlement_days",
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.contract_no}: {self.rate_ppm} ppm"
