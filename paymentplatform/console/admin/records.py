"""The audit log, and the accounts of operators."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin

NUMBER_PREFIXES = (
    *(numbers.AGREEMENT, numbers.ATTEMPT, numbers.CASE, numbers.EVENT, numbers.KEY),
    *(numbers.LATE_MONEY, numbers.MERCHANT, numbers.ORDER, numbers.PAYER, numbers.PAYMENT),
    *(numbers.PROPOSAL, numbers.REFUND),
)
"""What operators act on."""

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    """The audit log 操作日志, newest first."""

    list_display = ("at", "operator", "action", "object_no", "reason")
    list_filter = ("action",)
    search_fields = ("object_no",)
    search_help_text = _("A whole number, or an operator's whole name")
    searched = {"": "operator"} | dict.fromkeys(NUMBER_PREFIXES, "object_no")
    ordering = ("-id",)


@admin.register(User)
class OperatorAdmin(DjangoUserAdmin, ModelAdmin):
    """Operators' accounts, in the look of the rest."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class OperatorGroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of permissions."""
