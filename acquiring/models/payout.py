"""Payouts 出款: available money on its way to a merchant's bank account."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from acquiring.states import PAYOUT
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_machine, set_once

_WAITING = Q(status__in=["CREATED", "PROPOSED"])


class Payout(FSMModelMixin, models.Model):
    """One transfer. Nothing is reserved before it is SENT: until then refunds and chargebacks may need the money.

    One at most waits for each merchant and currency. ``bank_reference`` is the bank's own number of a transfer that was
    made, ``failure_code`` why one was not.
    """

    database_access = grants.MUTABLE

    payout_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    status = state_field(PAYOUT)
    bank_reference = models.TextField(null=True)
    failure_code = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "acquiring_payout"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=1), name="acquiring_payout_positive"),
            models.UniqueConstraint(
                fields=["merchant_no", "currency"],
                name="acquiring_one_waiting_payout",
                condition=Q(sent_at__isnull=True, ended_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["bank_reference"],
                name="acquiring_payout_bank_reference",
                condition=Q(bank_reference__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(_WAITING, sent_at__isnull=True, ended_at__isnull=True)
                | Q(status="SENT", sent_at__isnull=False, ended_at__isnull=True)
                | Q(status="PAID", ended_at__isnull=False, bank_reference__isnull=False)
                | Q(status="FAILED", ended_at__isnull=False, failure_code__isnull=False)
                | Q(status="CANCELLED", sent_at__isnull=True, ended_at__isnull=False),
                name="acquiring_payout_times_of_state",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_no", "-payout_no"], name="acquiring_payout_of_merchant"),
            models.Index(
                fields=["sent_at"],
                name="acquiring_payout_in_flight",
                condition=Q(sent_at__isnull=False, ended_at__isnull=True),
            ),
        ]
        triggers = [
            *guard_machine(PAYOUT),
            set_once("bank_reference", "failure_code", "sent_at", "ended_at"),
        ]

    def __str__(self) -> str:
        return self.payout_no

    @move_to(PAYOUT, "PROPOSED", field=status)
    def propose(self) -> None:
        """Somebody asks a second person to approve it."""

    @move_to(PAYOUT, "CREATED", field=status)
    def drop_proposal(self) -> None:
        """The second person refused, or nobody decided in time."""

    @move_to(PAYOUT, "SENT", field=status)
    def send(self, *, sent_at: datetime) -> None:
        """Approved: the money is in flight and an operator gives the order to the bank."""
        self.sent_at = sent_at

    @move_to(PAYOUT, "PAID", field=status)
    def confirm(self, *, bank_reference: str, ended_at: datetime) -> None:
        """The bank has paid."""
        self.bank_reference, self.ended_at = bank_reference, ended_at

    @move_to(PAYOUT, "FAILED", field=status)
    def fail(self, *, failure_code: str, ended_at: datetime) -> None:
        """The bank has definitely not paid."""
        self.failure_code, self.ended_at = failure_code, ended_at

    @move_to(PAYOUT, "CANCELLED", field=status)
    def cancel(self, *, ended_at: datetime) -> None:
        """It was never sent; another amount is available now."""
        self.ended_at = ended_at
