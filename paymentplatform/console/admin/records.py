"""The audit log, and the accounts of operators."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from paymentplatform.console.models import AuditLog
from paymentplatform.kernel.admin import ReadOnlyAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    """The audit log 操作日志, newest first."""

    list_display = ("at", "operator", "action", "object_no", "reason")
    list_filter = ("action",)
    search_fields = ("=object_no", "=operator")
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
