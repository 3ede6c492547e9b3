"""Proofs for operators: are the books in order, and were they ever not?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from paymentplatform.console.models import ProofRun
from paymentplatform.console.services.proofs import ring_for_proof
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_tables import PageTable, build_page_table, show_status
from paymentplatform.kernel.roles import Role

_INVARIANT = ("invariant", "title", "violations", "in_flight", "milliseconds")
_DIFFERENCE = ("invariant", "subject", "problem", "in_flight")


@admin.register(ProofRun)
class ProofRunAdmin(ReadOnlyAdmin):
    """What each proof has shown, newest first."""

    number_prefix = numbers.PROOF
    list_display = (
        "proof_no",
        "outcome",
        "violation_count",
        "in_flight_count",
        "milliseconds",
        "asked_by",
        "taken_at",
    )
    list_filter = ("result",)
    search_fields = ("proof_no",)
    search_help_text = _("A whole proof number")
    searched = {numbers.PROOF: "proof_no"}
    ordering = ("-proof_no",)
    fields = (
        ("proof_no", "outcome"),
        ("violation_count", "in_flight_count"),
        ("taken_at", "milliseconds"),
        ("asked_by",),
    )
    readonly_fields = ("outcome",)
    actions_detail = ("prove_again",)

    @confirmed_action(
        description=_("Prove again"),
        permission="console.add_proofrun",
        roles=(Role.OPERATOR, Role.ACCOUNTANT, Role.ADMIN),
        url_path="prove-again",
        icon="replay",
    )
    def prove_again(self, **_answers: Any) -> str:
        """Let a worker take another proof; nothing is changed by it."""
        ring_for_proof()
        return say("A worker takes a new proof; it will stand on top of the list.")

    @admin.display(description=_("Result"), ordering="result")
    def outcome(self, run: ProofRun) -> SafeString:
        """Return whether every promise held."""
        return show_status(str(run.result))

    def build_tables(self, obj: ProofRun) -> list[PageTable]:
        """Show every invariant, and the rows that break one."""
        invariants = [
            SimpleNamespace(**entry | {"invariant": entry["number"], "title": _name(entry)})
            for entry in obj.invariants
        ]
        differences = [SimpleNamespace(**entry) for entry in obj.differences]
        return [
            build_page_table(_("Differences"), differences, columns=_DIFFERENCE),
            build_page_table(_("Invariants"), invariants, columns=_INVARIANT),
        ]


def _name(invariant: dict[str, Any]) -> str:
    """Say what is promised in the operator's language; what an earlier release called otherwise stays as it was."""
    title = str(invariant["title"])
    return say(title)
