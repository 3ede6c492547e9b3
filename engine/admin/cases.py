"""Cases for operators: what people must look at, and how two of them end it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from engine.admin.history import MovesAdmin
from engine.models import Case
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import confirmed_action, submit_proposal
from paymentplatform.kernel.admin_codes import show_code, tell
from paymentplatform.kernel.admin_lists import UnendedFilter
from paymentplatform.kernel.admin_tables import link_number, name_amounts


@admin.register(Case)
class CaseAdmin(MovesAdmin):
    """What people must look at."""

    number_prefix = numbers.CASE
    list_display = ("case_no", "state", "what", "about", "text", "created_at")
    list_filter = ("status", UnendedFilter, "kind")
    indexed_filters = ((UnendedFilter.parameter_name, "yes"),)
    implied: ClassVar = {key: {"resolved_at__isnull": True} for key in ("OPEN", "PROPOSED")}
    search_fields = ("case_no",)
    search_help_text = _("A whole case number, or that of what it is about")
    searched = {numbers.CASE: "case_no"} | dict.fromkeys(
        (numbers.ATTEMPT, numbers.LATE_MONEY, numbers.PAYMENT, numbers.REFUND), "object_no"
    )
    ordering = ("-case_no",)
    fields = (("case_no", "state"), ("what", "about"), "text", ("created_at", "resolved_at"))
    readonly_fields = ("state", "what", "about", "text")
    actions_detail = ("propose_resolution",)

    @confirmed_action(
        description=_("Propose to resolve it"),
        permission="console.propose_case_resolution",
        url_path="propose-resolution",
        icon="approval",
        service_audits=True,
        offered=lambda case: case.status == "OPEN",
    )
    def propose_resolution(
        self, *, object_no: str, operator: AbstractBaseUser, reason: str, **_answers: Any
    ) -> str:
        """Say why nothing more is to be done; another person must agree."""
        return submit_proposal(
            kind="case_resolution",
            payload={"case_no": object_no},
            operator=operator,
            reason=reason,
        )

    def list_proposal_subjects(self, obj: Case) -> list[str]:
        """Also name what it is about: a decision about that ends the case."""
        return [obj.case_no, obj.object_no]

    @admin.display(description=_("Kind"), ordering="kind")
    def what(self, case: Case) -> str:
        """Say why it was opened."""
        return show_code(case.kind)

    @admin.display(description=_("Detail"))
    def text(self, case: Case) -> str:
        """Return what it says, amounts for people."""
        return tell(name_amounts(case.detail))

    @admin.display(description=_("About"), ordering="object_no")
    def about(self, case: Case) -> str:
        """Link what it is about."""
        return link_number(case.object_no)
