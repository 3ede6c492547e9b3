"""Holds 冻结 and the append-only record of their moves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from ledger.models.account import Account
from ledger.states import HOLD
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_append_only, guard_machine


class Hold(FSMModelMixin, models.Model):
    """An amount of a payer's balance set aside for one payment. It has one resolution and no time-out.

    ``ledger_hold``, ``ledger_post`` and ``ledger_release_hold`` move it, under the lock of the payer's
    balance; the application cannot write the row, so the transition methods only say what there is.
    """

    database_access = grants.READ_ONLY

    hold_no = NumberField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    amount = models.BigIntegerField()
    reference = models.TextField()
    status = state_field(HOLD)
    journal_no = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_hold"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="ledger_hold_positive"),
            models.CheckConstraint(
                condition=Q(status="OPEN", resolved_at__isnull=True, journal_no__isnull=True)
                | Q(status="CAPTURED", resolved_at__isnull=False, journal_no__isnull=False)
                | Q(status="RELEASED", resolved_at__isnull=False, journal_no__isnull=True),
                name="ledger_hold_resolved_once",
            ),
        ]
        triggers = guard_machine(HOLD)

    def __str__(self) -> str:
        return str(self.hold_no)

    @move_to(HOLD, "CAPTURED", field=status)
    def mark_captured(self) -> None:
        """A journal took the money out of it."""

    @move_to(HOLD, "RELEASED", field=status)
    def mark_released(self) -> None:
        """The payer has the money back."""


class Transition(models.Model):
    """One move of a hold: append-only history."""

    database_access = grants.READ_ONLY

    id = models.BigAutoField(primary_key=True)
    machine = models.TextField()
    object_no = models.TextField()
    from_status = models.TextField()
    to_status = models.TextField()
    cause = models.TextField()
    actor = models.TextField()
    request_id = models.TextField()
    at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "ledger_transition"
        indexes = [models.Index(fields=["object_no", "id"], name="ledger_transition_history")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.object_no}: {self.from_status or '–'} → {self.to_status} ({self.cause})"
