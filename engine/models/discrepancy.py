"""Differences 差异 between what a channel's statement says and what we have booked."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from engine.states import DISCREPANCY
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_machine, set_once


class Discrepancy(FSMModelMixin, models.Model):
    """One difference. It ends when two people agree on what to do, or when what happens settles it.

    ``difference`` is what the channel's book has more than ours, in minor units of ``currency``; negative when it has
    less, 0 when no money is at stake. It is booked to suspense (A10 → L90) or to short (A90 → A10) at ``posted_at``,
    and waits there until the difference is RESOLVED; ``resolution`` is the reason's code. ``object_no`` is ours
    (attempt, refund or late money), if we know of it. ``ordinal`` counts repetitions of one line.
    """

    database_access = grants.MUTABLE

    discrepancy_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    statement_date = models.DateField()
    statement_no = models.TextField()
    line_no = models.PositiveIntegerField(null=True)
    kind = models.TextField()
    line_kind = models.TextField()
    match_key = NumberField()
    ordinal = models.PositiveIntegerField(default=1)
    channel_trade_no = models.TextField(null=True)
    object_no = models.TextField(null=True)
    merchant_no = models.TextField(null=True)
    our_status = models.TextField(null=True)
    our_amount = models.BigIntegerField(null=True)
    our_currency = models.CharField(max_length=3, null=True)
    our_fee = models.BigIntegerField(null=True)
    channel_amount = models.BigIntegerField(null=True)
    channel_currency = models.CharField(max_length=3, null=True)
    channel_fee = models.BigIntegerField(null=True)
    difference = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = state_field(DISCREPANCY)
    created_at = models.DateTimeField(db_default=PlatformNow())
    posted_at = models.DateTimeField(null=True)
    resolution = models.TextField(null=True)
    resolved_by = models.TextField(null=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_discrepancy"
        verbose_name_plural = "discrepancies"
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "channel_code",
                    "statement_date",
                    "kind",
                    "line_kind",
                    "match_key",
                    "ordinal",
                ],
                name="engine_discrepancy_one_unresolved",
                condition=Q(resolved_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(resolved_at__isnull=True) & ~Q(status__in=sorted(DISCREPANCY.terminal))
                | Q(
                    resolved_at__isnull=False,
                    resolution__isnull=False,
                    resolved_by__isnull=False,
                    status__in=sorted(DISCREPANCY.terminal),
                ),
                name="engine_discrepancy_resolved_at_end",
            ),
            models.CheckConstraint(
                condition=Q(posted_at__isnull=True) | ~Q(difference=0),
                name="engine_discrepancy_posts_money",
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel_code", "statement_date"],
                name="engine_discrepancy_unresolved",
                condition=Q(resolved_at__isnull=True),
            ),
            models.Index(fields=["match_key"], name="engine_discrepancy_key"),
            models.Index(
                fields=["channel_code"],
                name="engine_discrepancy_decided",
                condition=Q(resolution__in=["CREDITED", "RECOVERED", "CHARGED", "WRITTEN_OFF"]),
            ),
        ]
        triggers = [
            *guard_machine(DISCREPANCY),
            set_once("posted_at", "resolution", "resolved_by", "resolved_at"),
        ]

    def __str__(self) -> str:
        return self.discrepancy_no

    @move_to(DISCREPANCY, "PROPOSED", field=status)
    def propose(self) -> None:
        """A resolution waits for a second person."""

    @move_to(DISCREPANCY, "OPEN", field=status)
    def reopen(self) -> None:
        """The proposal was refused, withdrawn or has expired."""

    @move_to(DISCREPANCY, "RESOLVED", field=status)
    def resolve(self, *, resolution: str, resolved_by: str, resolved_at: datetime) -> None:
        """Decided by two persons, or settled by what happened meanwhile."""
        self.resolution, self.resolved_by, self.resolved_at = resolution, resolved_by, resolved_at
