"""Refunds 退款单: money on its way back to a payer, one row and one number however often it is asked for."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django_fsm import FSMModelMixin

from engine.states import REFUND
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_machine, set_once


class Refund(FSMModelMixin, models.Model):
    """Money going back: of a paid order as the merchant asked, or of one late receipt.

    ``refund_no`` is the request number at the channel, the same on every repeat. ``external_amount`` goes back
    through ``channel_code`` (the charge is ``channel_trade_no`` of ``attempt_no``), ``balance_amount`` to the balance
    of ``payer_no``; together they are ``amount``. ``source`` is the account kind the money was reserved from (L20,
    L21 or L90). ``returned_fee`` went back to the merchant with it. ``next_try_at`` is when to ask the channel (null
    when terminal); ``lease_token`` fences a worker that woke up too late.
    """

    class Purpose(models.TextChoices):
        ORDER = "ORDER"
        LATE_MONEY = "LATE_MONEY"

    database_access = grants.MUTABLE

    refund_no = NumberField(primary_key=True)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    merchant_no = models.TextField()
    merchant_refund_no = models.TextField(null=True)
    late_money_no = models.TextField(null=True)
    order_no = models.TextField()
    payment_no = models.TextField()
    status = state_field(REFUND)
    amount = models.BigIntegerField()
    external_amount = models.BigIntegerField(default=0)
    balance_amount = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    reason = models.TextField(default="", blank=True)
    channel_code = models.TextField(null=True)
    attempt_no = models.TextField(null=True)
    channel_trade_no = models.TextField(null=True)
    payer_no = models.TextField(null=True)
    source = models.CharField(max_length=3)
    returned_fee = models.BigIntegerField(default=0)
    failure_code = models.TextField(null=True)
    try_count = models.PositiveIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True)
    lease_token = models.TextField(null=True)
    leased_until = models.DateTimeField(null=True)
    last_outcome = models.TextField(default="", blank=True)
    last_outcome_at = models.DateTimeField(null=True)
    last_answer = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_refund"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "merchant_refund_no"], name="engine_refund_merchant_number"
            ),
            models.UniqueConstraint(
                fields=["late_money_no"],
                name="engine_refund_one_per_late_money",
                condition=~Q(status="FAILED"),
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gte=1,
                    external_amount__gte=0,
                    balance_amount__gte=0,
                    amount=F("external_amount") + F("balance_amount"),
                ),
                name="engine_refund_amounts",
            ),
            models.CheckConstraint(
                condition=Q(returned_fee__gte=0, returned_fee__lte=F("amount")),
                name="engine_refund_fee_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(
                    purpose="ORDER", merchant_refund_no__isnull=False, late_money_no__isnull=True
                )
                | Q(
                    purpose="LATE_MONEY",
                    merchant_refund_no__isnull=True,
                    late_money_no__isnull=False,
                ),
                name="engine_refund_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(next_try_at__isnull=True) | ~Q(status__in=sorted(REFUND.terminal)),
                name="engine_refund_ends_its_tries",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="engine_refund_due",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["order_no", "refund_no"], name="engine_refund_of_order"),
            models.Index(fields=["payment_no"], name="engine_refund_of_payment"),
            models.Index(fields=["merchant_no", "-refund_no"], name="engine_refund_newest"),
            BrinIndex(fields=["succeeded_at"], name="engine_refund_done", pages_per_range=32),
        ]
        triggers = [*guard_machine(REFUND), set_once("succeeded_at", "failed_at")]

    def __str__(self) -> str:
        return self.refund_no

    @move_to(REFUND, "PROCESSING", field=status)
    def start_processing(self) -> None:
        """Its money is reserved and it may be on its way."""

    @move_to(REFUND, "SUCCESS", field=status)
    def mark_succeeded(self, *, succeeded_at: datetime) -> None:
        """The payer has it: a verified answer said so."""
        self.succeeded_at = succeeded_at
        self._end()

    @move_to(REFUND, "FAILED", field=status)
    def mark_failed(self, *, failure_code: str, failed_at: datetime) -> None:
        """A definite refusal: the money goes back to where it was reserved from."""
        self.failure_code, self.failed_at = failure_code, failed_at
        self._end()

    def _end(self) -> None:
        self.next_try_at = self.lease_token = self.leased_until = None
