"""What people must look at: late money 迟到资金 and cases 差错工单."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from engine.states import CASE, LATE_MONEY
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_machine, never_decrease, set_once


class LateMoney(FSMModelMixin, models.Model):
    """Money a channel took for a trade that can no longer use it. It waits in suspense 挂账, never lost.

    ``policy`` is the merchant's at the time: REFUND (``due_at`` at once), ASK (``due_at`` when the time to answer,
    ``respond_by``, is over; then it is refunded) or HOLD (no ``due_at``: an operator decides). Money of a channel that
    cannot give back is always held. ``reason`` is a code; ``decided_by`` names who decided. ``pulled_back_amount`` is
    the part that its channel has pulled back and that was booked against the loss: it goes to nobody any more.
    """

    class Policy(models.TextChoices):
        REFUND = "REFUND"
        HOLD = "HOLD"
        ASK = "ASK"

    database_access = grants.MUTABLE

    late_money_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    channel_trade_no = models.TextField()
    attempt_no = models.TextField()
    payment_no = models.TextField()
    order_no = models.TextField()
    merchant_no = models.TextField()
    amount = models.BigIntegerField()
    pulled_back_amount = models.BigIntegerField(default=0, db_default=0)
    currency = models.CharField(max_length=3)
    status = state_field(LATE_MONEY)
    reason = models.TextField()
    policy = models.TextField()
    respond_by = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    decided_by = models.TextField(default="", db_default="", blank=True)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_late_money"
        verbose_name_plural = "late money"
        constraints = [
            models.UniqueConstraint(
                fields=["channel_code", "channel_trade_no"], name="engine_late_money_trade_number"
            ),
            models.CheckConstraint(condition=Q(amount__gte=1), name="engine_late_money_positive"),
            models.CheckConstraint(
                condition=Q(pulled_back_amount__gte=0, pulled_back_amount__lte=models.F("amount")),
                name="engine_late_money_pulled_back",
            ),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True) | Q(status="OPEN"),
                name="engine_late_money_due_while_open",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True) & ~Q(status__in=sorted(LATE_MONEY.terminal))
                | Q(resolved_at__isnull=False, status__in=sorted(LATE_MONEY.terminal)),
                name="engine_late_money_resolved_at_end",
            ),
        ]
        indexes = [
            models.Index(fields=["order_no"], name="engine_late_money_of_order"),
            models.Index(fields=["merchant_no", "-late_money_no"], name="engine_late_money_newest"),
            models.Index(
                fields=["due_at"],
                name="engine_late_money_due",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                fields=["created_at"],
                name="engine_late_money_unresolved",
                condition=Q(resolved_at__isnull=True),
            ),
        ]
        triggers = [
            *guard_machine(LATE_MONEY),
            set_once("respond_by", "resolved_at"),
            never_decrease("pulled_back_amount"),
        ]

    def __str__(self) -> str:
        return self.late_money_no

    @property
    def left(self) -> int:
        """What of it can still go to somebody, in minor units."""
        return self.amount - self.pulled_back_amount

    @move_to(LATE_MONEY, "REFUNDING", field=status)
    def start_refunding(self, *, decided_by: str) -> None:
        """It is on its way back to the payer."""
        self.decided_by, self.due_at = decided_by, None

    @move_to(LATE_MONEY, "REFUNDED", field=status)
    def mark_refunded(self, *, resolved_at: datetime) -> None:
        """The payer has it back."""
        self.resolved_at = resolved_at

    @move_to(LATE_MONEY, "REFUNDED", field=status)
    def mark_pulled_back(self, *, decided_by: str, resolved_at: datetime) -> None:
        """The payer has it back by a chargeback; nothing is sent."""
        self.decided_by, self.due_at, self.resolved_at = decided_by, None, resolved_at

    @move_to(LATE_MONEY, "HONOURED", field=status)
    def mark_honoured(self, *, decided_by: str, resolved_at: datetime) -> None:
        """The merchant accepted it after all."""
        self.decided_by, self.due_at, self.resolved_at = decided_by, None, resolved_at

    @move_to(LATE_MONEY, "OPEN", field=status)
    def reopen(self) -> None:
        """Its refund failed; the decision is void and somebody must decide anew."""
        self.decided_by = ""


class Case(FSMModelMixin, models.Model):
    """Something no rule can decide; a person must. One open case per kind and object."""

    database_access = grants.MUTABLE

    case_no = NumberField(primary_key=True)
    kind = models.TextField()
    object_no = models.TextField()
    detail = models.TextField()
    status = state_field(CASE)
    created_at = models.DateTimeField(db_default=PlatformNow())
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_case"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "object_no"],
                name="engine_case_one_unresolved",
                condition=Q(resolved_at__isnull=True),
            )
        ]
        indexes = [models.Index(fields=["object_no"], name="engine_case_of_object")]
        triggers = guard_machine(CASE)

    def __str__(self) -> str:
        return f"{self.case_no} {self.kind} {self.object_no}"

    @move_to(CASE, "PROPOSED", field=status)
    def propose(self) -> None:
        """A resolution waits for a second person."""

    @move_to(CASE, "OPEN", field=status)
    def reopen(self) -> None:
        """The proposal was refused."""

    @move_to(CASE, "RESOLVED", field=status)
    def resolve(self, *, resolved_at: datetime) -> None:
        """Decided by two persons, or settled by what happened to the object itself."""
        self.resolved_at = resolved_at
