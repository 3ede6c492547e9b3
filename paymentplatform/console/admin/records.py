"""The audit log."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from paymentplatform.console.action_words import name_action
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.admin_tables import link_number
from paymentplatform.kernel.roles import Role

NUMBER_PREFIXES = (
    *(numbers.AGREEMENT, numbers.ATTEMPT, numbers.CASE, numbers.EVENT, numbers.KEY),
    *(numbers.LATE_MONEY, numbers.MERCHANT, numbers.ORDER, numbers.PAYER, numbers.PAYMENT),
    *(numbers.PROPOSAL, numbers.REFUND, numbers.DISCREPANCY, numbers.PROOF),
)
"""What operators act on."""


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    """The audit log 操作日志, newest first."""

    list_display = ("at", "operator", "what", "about", "reason")
    list_filter = ("action",)
    search_fields = ("object_no",)
    search_help_text = _("A whole number, or an operator's whole name")
    searched = {"": "operator"} | dict.fromkeys(NUMBER_PREFIXES, "object_no")
    ordering = ("-id",)
    more_rights: ClassVar = {
        "console.export_lists": (Role.OPERATOR, Role.ACCOUNTANT, Role.RISK, Role.ADMIN)
    }
    seen_by = (Role.ACCOUNTANT, Role.RISK, Role.ADMIN)

    @admin.display(description=_("action"), ordering="action")
    def what(self, line: AuditLog) -> str:
        """Say what was done."""
        return name_action(line.action)

    @admin.display(description=_("object"), ordering="object_no")
    def about(self, line: AuditLog) -> str:
        """Link what was acted on."""
        return link_number(line.object_no)
