"""Risk 风控: rules and lists as data, every decision, and what waits for a person."""

from __future__ import annotations

from datetime import datetime

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django_fsm import FSMModelMixin

from checkout.risk.deciding import RiskOutcome
from checkout.risk.facts import Subject
from checkout.risk.rules import RuleAction, RuleMode
from checkout.states import RISK_REVIEW
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_machine,
    guard_records,
    set_once,
)


def raise_risk_version() -> pgtrigger.Trigger:
    """Let every change of rules or lists, by whomever, make a new version: payments read it with the order."""
    return pgtrigger.Trigger(
        name="new_version",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.Update,
        level=pgtrigger.Statement,
        func="UPDATE checkout_risk_version SET version = version + 1; RETURN NULL;",
    )


class RiskVersion(models.Model):
    """The one row that says which version of rules and lists is in force; processes cache them under it."""

    database_access = grants.MUTABLE

    id = models.SmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=1)

    class Meta:
        db_table = "checkout_risk_version"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="checkout_risk_version_one")]
        triggers = [forbid_delete()]

    def __str__(self) -> str:
        return str(self.version)


class RiskRule(models.Model):
    """One rule: what must hold (``conditions``), what then happens (``action``), and whether it decides (``mode``).

    ``revision`` counts its changes; the audit log tells them.
    """

    database_access = grants.MUTABLE

    rule_no = NumberField(primary_key=True)
    name = models.CharField(max_length=64)
    action = models.CharField(max_length=16, choices=[(a.value, a.value) for a in RuleAction])
    mode = models.CharField(max_length=16, choices=[(m.value, m.value) for m in RuleMode])
    conditions = models.JSONField(default=dict)
    revision = models.IntegerField(default=1)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    changed_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_risk_rule"
        triggers = [forbid_delete(), freeze_columns("rule_no", "created_at"), raise_risk_version()]

    def __str__(self) -> str:
        return f"{self.name} ({self.rule_no})"


class RiskListEntry(models.Model):
    """One payer, card, address, network or merchant on a named list; ``hard_block`` is refused before any rule.

    It stands until ``expires_at``, for ever without one, or until an operator takes it off.
    """

    database_access = grants.MUTABLE

    entry_no = NumberField(primary_key=True)
    list_name = models.CharField(max_length=64)
    subject = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Subject])
    value = models.CharField(max_length=128)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    expires_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "checkout_risk_list_entry"
        constraints = [
            models.UniqueConstraint(
                fields=["list_name", "subject", "value"],
                condition=Q(removed_at__isnull=True),
                name="checkout_risk_listed_once",
            )
        ]
        triggers = [
            forbid_delete(),
            freeze_columns("entry_no", "list_name", "subject", "value", "created_at", "expires_at"),
            set_once("removed_at"),
            raise_risk_version(),
        ]

    def __str__(self) -> str:
        return f"{self.list_name}: {self.subject} {self.value}"


class RiskDecision(models.Model):
    """One wish to pay as it was judged: the facts, the rules that fired, and the outcome; enough to judge it again.

    ``payment_no`` is null where nothing was started. ``fired`` holds ``[rule_no, revision, mode, is_known]`` of every
    rule whose conditions held, shadow rules too; ``reason`` is what decided. Forgotten after RISK_DECISION_DAYS.
    """

    database_access = grants.RECORDS

    id = models.BigAutoField(primary_key=True)
    order_no = models.TextField()
    payment_no = models.TextField(null=True)
    outcome = models.TextField(choices=[(o.value, o.value) for o in RiskOutcome])
    reason = models.TextField()
    facts = models.JSONField()
    fired = models.JSONField()
    rules_version = models.BigIntegerField()
    at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "checkout_risk_decision"
        indexes = [
            models.Index(fields=["order_no"], name="checkout_risk_decision_order"),
            # What was not simply allowed is rare, and people look for it among millions.
            models.Index(
                fields=["-id"],
                name="checkout_risk_decision_rare",
                condition=~Q(outcome=RiskOutcome.ALLOW.value),
            ),
            BrinIndex(fields=["at"], name="checkout_risk_decision_at"),
        ]
        triggers = guard_records("at")

    def __str__(self) -> str:
        return f"{self.order_no}: {self.outcome}"


class RiskReview(FSMModelMixin, models.Model):
    """A wish that waits for a person. Nothing is charged meanwhile, the order is as it was, the wish may be repeated.

    One for each order and wish (``wish_digest``: method, options, payer). Approved, the wish passes the class of review
    rules, and only that one; it ends with the order's time.
    """

    database_access = grants.MUTABLE

    review_no = NumberField(primary_key=True)
    order_no = models.TextField()
    merchant_no = models.TextField()
    wish_digest = models.CharField(max_length=64)
    status = state_field(RISK_REVIEW)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=16)
    rule_no = models.TextField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "checkout_risk_review"
        constraints = [
            models.UniqueConstraint(
                fields=["order_no", "wish_digest"], name="checkout_risk_review_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, status="PENDING")
                | Q(ended_at__isnull=False) & ~Q(status="PENDING"),
                name="checkout_risk_review_ended",
            ),
        ]
        indexes = [
            models.Index(
                F("expires_at"),
                condition=Q(status="PENDING"),
                name="checkout_risk_review_waiting",
            )
        ]
        triggers = [*guard_machine(RISK_REVIEW), set_once("ended_at")]

    def __str__(self) -> str:
        return f"{self.review_no}: {self.order_no} ({self.status})"

    @move_to(RISK_REVIEW, "APPROVED", field=status)
    def approve(self, *, ended_at: datetime) -> None:
        """An operator lets this wish through."""
        self.ended_at = ended_at

    @move_to(RISK_REVIEW, "REJECTED", field=status)
    def reject(self, *, ended_at: datetime) -> None:
        """An operator refuses this wish for good."""
        self.ended_at = ended_at

    @move_to(RISK_REVIEW, "EXPIRED", field=status)
    def expire(self, *, ended_at: datetime) -> None:
        """The order's time was over before anybody decided."""
        self.ended_at = ended_at
