"""The audit log, and the accounts of operators."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.admin_tables import link_number
from paymentplatform.kernel.roles import ONLY_ADMINS, Role

NUMBER_PREFIXES = (
    *(numbers.AGREEMENT, numbers.ATTEMPT, numbers.CASE, numbers.EVENT, numbers.KEY),
    *(numbers.LATE_MONEY, numbers.MERCHANT, numbers.ORDER, numbers.PAYER, numbers.PAYMENT),
    *(numbers.PROPOSAL, numbers.REFUND, numbers.DISCREPANCY, numbers.PROOF),
)
"""What operators act on."""

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    """The audit log 操作日志, newest first."""

    list_display = ("at", "operator", "action", "about", "reason")
    list_filter = ("action",)
    search_fields = ("object_no",)
    search_help_text = _("A whole number, or an operator's whole name")
    searched = {"": "operator"} | dict.fromkeys(NUMBER_PREFIXES, "object_no")
    ordering = ("-id",)
    seen_by = (Role.ACCOUNTANT, Role.RISK, Role.ADMIN)

    @admin.display(description=_("object"), ordering="object_no")
    def about(self, line: AuditLog) -> str:
        """Link what was acted on."""
        return link_number(line.object_no)


@admin.register(User)
class OperatorAdmin(DjangoUserAdmin, ModelAdmin):
    """Operators' accounts, in the look of the rest.

    A username never changes: proposals and the audit log know people by it, and whoever could take another name
    could approve what he proposed.
    """

    seen_by = ONLY_ADMINS
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let the username be chosen once."""
        readonly = tuple(super().get_readonly_fields(request, obj))
        return readonly if obj is None else (*readonly, "username")


@admin.register(Group)
class OperatorGroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of permissions."""

    seen_by = ONLY_ADMINS
