"""Proposals 复核申请: what one operator wants and another one must approve, and the record of their moves."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMModelMixin

from paymentplatform.console.states import PROPOSAL
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_append_only, guard_machine, set_once

_UNDECIDED = Q(
    checker__isnull=True,
    decided_at__isnull=True,
    decision_reason__isnull=True,
    result__isnull=True,
)


class Proposal(FSMModelMixin, models.Model):
    """An act that needs two people 复核申请. ``preview_hash`` seals kind, payload and preview; approval is bound to it.

    ``checker`` is another person than ``maker``: the database refuses anything else. A withdrawn or expired
    proposal has no checker.
    """

    database_access: ClassVar = grants.MUTABLE

    proposal_no = NumberField(_("number"), primary_key=True)
    kind = models.TextField(_("kind"))
    subject_no = models.TextField(_("about"))
    reference = models.TextField(_("reference"))
    payload = models.JSONField(_("payload"))
    preview = models.JSONField(_("preview"))
    preview_hash = models.CharField(_("hash"), max_length=64)
    maker = models.TextField(_("proposed by"))
    reason = models.TextField(_("reason"))
    status = state_field(PROPOSAL)
    created_at = models.DateTimeField(_("proposed at"), db_default=PlatformNow())
    expires_at = models.DateTimeField(_("expires at"))
    checker = models.TextField(_("decided by"), null=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decision_reason = models.TextField(_("reason of the decision"), null=True)
    result = models.TextField(_("result"), null=True)

    class Meta:
        db_table = "console_proposal"
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        permissions = [
            ("approve_proposal", "Can approve or refuse proposals of others"),
            ("withdraw_proposal", "Can withdraw own proposals"),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="console_proposal_due", condition=Q(status="OPEN")
            ),
            models.Index(fields=["subject_no", "proposal_no"], name="console_proposal_subject"),
            models.Index(fields=["kind", "reference"], name="console_proposal_of_reference"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "reference"],
                name="console_proposal_one_open",
                condition=Q(status="OPEN"),
            ),
            models.CheckConstraint(
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")),
                name="console_proposal_two_people",
            ),
            models.CheckConstraint(
                condition=Q(_UNDECIDED, status="OPEN")
                | Q(
                    status="APPROVED",
                    checker__isnull=False,
                    decided_at__isnull=False,
                    decision_reason__isnull=False,
                    result__isnull=False,
                )
                | Q(
                    status="REFUSED",
                    checker__isnull=False,
                    decided_at__isnull=False,
                    decision_reason__isnull=False,
                    result__isnull=True,
                )
                | Q(
                    status__in=["WITHDRAWN", "EXPIRED"],
                    checker__isnull=True,
                    decided_at__isnull=False,
                    decision_reason__isnull=False,
                    result__isnull=True,
                ),
                name="console_proposal_decided_once",
            ),
            models.CheckConstraint(
                condition=~Q(maker="") & ~Q(reason="") & Q(preview_hash__regex=r"^[0-9a-f]{64}$"),
                name="console_proposal_sealed",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="console_proposal_has_time"
            ),
        ]
        triggers = [
            *guard_machine(PROPOSAL),
            set_once("checker", "decided_at", "decision_reason", "result"),
        ]

    def __str__(self) -> str:
        return str(self.proposal_no)

    @move_to(PROPOSAL, "APPROVED", field=status)
    def mark_approved(self) -> None:
        """A second person agreed, and it was done."""

    @move_to(PROPOSAL, "REFUSED", field=status)
    def mark_refused(self) -> None:
        """A second person said no."""

    @move_to(PROPOSAL, "WITHDRAWN", field=status)
    def mark_withdrawn(self) -> None:
        """Its maker took it back."""

    @move_to(PROPOSAL, "EXPIRED", field=status)
    def mark_expired(self) -> None:
        """Nobody decided in time."""


class Transition(models.Model):
    """One move of a proposal: append-only history."""

    database_access: ClassVar = grants.APPEND_ONLY

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
        db_table = "console_transition"
        indexes = [models.Index(fields=["object_no", "id"], name="console_transition_history")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.object_no}: {self.from_status or '–'} → {self.to_status} ({self.cause})"
