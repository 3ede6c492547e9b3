"""Settlement 结算: what waits for its release, and the batches that released it."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from acquiring.states import SETTLEMENT_BATCH, SETTLEMENT_HOLD
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_machine,
    never_decrease,
    set_once,
)


class BusinessDay(models.Model):
    """A day on which banks work although it is a weekend's, or do not although it is none."""

    database_access = grants.MUTABLE

    day = models.DateField(primary_key=True)
    is_open = models.BooleanField()
    name = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        db_table = "acquiring_business_day"
        triggers = [forbid_delete(), freeze_columns("day")]

    def __str__(self) -> str:
        return f"{self.day}: {'open' if self.is_open else 'closed'} {self.name}"


class SettlementAccount(models.Model):
    """A merchant in one currency: the mutex of all that happens to its settled money.

    Facts of the ledger with transaction ids below ``collected_xact`` are written down as items.
    """

    database_access = grants.MUTABLE

    id = models.BigAutoField(primary_key=True)
    merchant_no = models.TextField()
    currency = models.CharField(max_length=3)
    collected_xact = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "acquiring_settlement_account"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "currency"], name="acquiring_settlement_account_owner"
            )
        ]
        triggers = [forbid_delete(), freeze_columns("merchant_no", "currency")]

    def __str__(self) -> str:
        return f"{self.merchant_no} {self.currency}"


class SettlementItem(models.Model):
    """One fact of the ledger that made money pending, by its journal; released once, in one batch.

    ``amount`` and ``fee_amount`` are the fact's own. At its release ``released_amount`` became available: less the
    refunds that were out of pending money by then (``refunded_amount``, with ``returned_fee_amount``).
    """

    class Kind(models.TextChoices):
        PAYMENT = "PAYMENT"
        LATE_MONEY = "LATE_MONEY"
        REFUND_FAILED = "REFUND_FAILED"
        OTHER = "OTHER"

    database_access = grants.MUTABLE

    journal_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    event_id = models.TextField()
    order_no = models.TextField(null=True)
    payment_no = models.TextField(null=True)
    amount = models.BigIntegerField()
    fee_amount = models.BigIntegerField()
    accounting_date = models.DateField()
    batch_no = models.TextField(null=True)
    refunded_amount = models.BigIntegerField(null=True)
    returned_fee_amount = models.BigIntegerField(null=True)
    released_amount = models.BigIntegerField(null=True)
    released_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "acquiring_settlement_item"
        constraints = [
            models.CheckConstraint(
                condition=Q(batch_no__isnull=True, released_amount__isnull=True)
                | Q(batch_no__isnull=False, released_amount__isnull=False),
                name="acquiring_settlement_item_released_whole",
            )
        ]
        indexes = [
            models.Index(
                fields=["merchant_no", "currency", "accounting_date", "journal_no"],
                name="acquiring_settlement_item_due",
                condition=Q(batch_no__isnull=True),
            ),
            models.Index(
                fields=["order_no"],
                name="acquiring_settlement_of_order",
                condition=Q(order_no__isnull=False),
            ),
            models.Index(
                fields=["batch_no", "journal_no"],
                name="acquiring_settlement_of_batch",
                condition=Q(batch_no__isnull=False),
            ),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "journal_no",
                "merchant_no",
                "currency",
                "kind",
                "event_id",
                "order_no",
                "payment_no",
                "amount",
                "fee_amount",
                "accounting_date",
            ),
            set_once(
                "batch_no",
                "refunded_amount",
                "returned_fee_amount",
                "released_amount",
                "released_at",
            ),
        ]

    def __str__(self) -> str:
        return self.journal_no


class SettlementBatch(FSMModelMixin, models.Model):
    """What became available for one merchant and currency on one day. OPEN while parts are being added.

    Each part is one transaction and one journal ``merchant_release`` of ``<batch_no>.<part>``. The totals are written
    when it closes; ``net_amount`` is what it released.
    """

    database_access = grants.MUTABLE

    batch_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    currency = models.CharField(max_length=3)
    settlement_date = models.DateField()
    status = state_field(SETTLEMENT_BATCH)
    part_count = models.PositiveIntegerField(default=0, db_default=0)
    item_count = models.PositiveIntegerField(default=0, db_default=0)
    gross_amount = models.BigIntegerField(default=0, db_default=0)
    fee_amount = models.BigIntegerField(default=0, db_default=0)
    refunded_amount = models.BigIntegerField(default=0, db_default=0)
    returned_fee_amount = models.BigIntegerField(default=0, db_default=0)
    net_amount = models.BigIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=PlatformNow())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "acquiring_settlement_batch"
        verbose_name_plural = "settlement batches"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "currency"],
                name="acquiring_one_open_batch",
                condition=Q(closed_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(status="OPEN", closed_at__isnull=True)
                | Q(status="CLOSED", closed_at__isnull=False),
                name="acquiring_batch_closed_at_end",
            ),
            models.CheckConstraint(
                condition=Q(net_amount__gte=0), name="acquiring_batch_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_no", "-batch_no"], name="acquiring_batch_of_merchant")
        ]
        triggers = [
            *guard_machine(SETTLEMENT_BATCH),
            never_decrease("part_count", "item_count", "net_amount"),
        ]

    def __str__(self) -> str:
        return self.batch_no

    @move_to(SETTLEMENT_BATCH, "CLOSED", field=status)
    def close(self, *, closed_at: datetime) -> None:
        """Nothing is added any more."""
        self.closed_at = closed_at


class SettlementHold(FSMModelMixin, models.Model):
    """A risk hold 风控冻结: while ACTIVE nothing of the order, or of the whole merchant, is released or paid out."""

    database_access = grants.MUTABLE

    hold_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    order_no = models.TextField(null=True)
    status = state_field(SETTLEMENT_HOLD)
    reason = models.TextField()
    placed_by = models.TextField()
    lifted_by = models.TextField(null=True)
    lifted_reason = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "acquiring_settlement_hold"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "order_no"],
                name="acquiring_hold_once_per_order",
                condition=Q(lifted_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["merchant_no"],
                name="acquiring_hold_once_per_merchant",
                condition=Q(lifted_at__isnull=True, order_no__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(status="ACTIVE", lifted_at__isnull=True)
                | Q(status="LIFTED", lifted_at__isnull=False),
                name="acquiring_hold_lifted_at_end",
            ),
        ]
        triggers = [*guard_machine(SETTLEMENT_HOLD), set_once("lifted_at", "lifted_by")]

    def __str__(self) -> str:
        return self.hold_no

    @move_to(SETTLEMENT_HOLD, "LIFTED", field=status)
    def lift(self, *, lifted_by: str, lifted_reason: str, lifted_at: datetime) -> None:
        """Its money goes its way with the next run."""
        self.lifted_by, self.lifted_reason, self.lifted_at = lifted_by, lifted_reason, lifted_at
