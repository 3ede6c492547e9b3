"""Proofs that were taken: when the books were asked whether they are in order, and what they said."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import guard_append_only


class ProofRun(models.Model):
    """One answer of ``prove``: each invariant with how many rows break it, and the first of those rows."""

    class Result(models.TextChoices):
        HOLDS = "HOLDS"
        BROKEN = "BROKEN"

    database_access: ClassVar = grants.APPEND_ONLY

    proof_no = NumberField(primary_key=True)
    taken_at = models.DateTimeField(_("taken at"))
    asked_by = models.TextField(_("asked by"))
    result = models.CharField(_("result"), max_length=8, choices=Result.choices)
    violation_count = models.PositiveIntegerField(_("violations"))
    in_flight_count = models.PositiveIntegerField(_("in flight"))
    milliseconds = models.PositiveIntegerField(_("milliseconds"))
    invariants = models.JSONField(_("invariants"))
    differences = models.JSONField(_("differences"))
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "console_proof_run"
        verbose_name = _("proof")
        verbose_name_plural = _("proofs")
        triggers = guard_append_only()

    def __str__(self) -> str:
        return self.proof_no
