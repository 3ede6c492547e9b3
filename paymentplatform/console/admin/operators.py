"""Operators' accounts and their groups: looked at freely, changed by acts that are written down."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as _registers_first  # noqa: F401
from django.contrib.auth.models import Group, User
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget as Boxes,
)
from unfold.widgets import (
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from paymentplatform.console.models import AuditLog
from paymentplatform.console.proposals.operator_access import OPERATOR_ACCESS, build_payload
from paymentplatform.console.services.operators import (
    create_operator,
    disable_operator,
    issue_password,
    list_roles,
)
from paymentplatform.console.services.proposals import propose
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, ShownOnce, confirmed_action
from paymentplatform.kernel.admin_tables import PageTable, build_page_table
from paymentplatform.kernel.roles import ONLY_ADMINS, Role

ROLE_TITLES = {
    Role.VIEWER: _("Viewer"),
    Role.SUPPORT: _("Support"),
    Role.OPERATOR: _("Operator"),
    Role.ACCOUNTANT: _("Accountant"),
    Role.RISK: _("Risk"),
    Role.ADMIN: _("Administrator"),
}
_SHOWN = 50

# Django's own pages register when they are imported, and are full of forms.
admin.site.unregister(User)
admin.site.unregister(Group)


class NewOperatorForm(ReasonForm):
    """Asks who it is."""

    username = forms.CharField(
        label=_("Log-in name, for ever"), max_length=150, widget=UnfoldAdminTextInputWidget()
    )
    name = forms.CharField(
        label=_("Name"), max_length=150, required=False, widget=UnfoldAdminTextInputWidget()
    )


class AccessForm(ReasonForm):
    """Asks what the operator may do from then on."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role.value, ROLE_TITLES[role]) for role in Role],
        required=False,
        widget=Boxes(),
    )
    is_active = forms.BooleanField(
        label=_("May log in"), required=False, widget=UnfoldBooleanSwitchWidget()
    )
    forget_second_factor = forms.BooleanField(
        label=_("Has lost the second factor: forget it"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )

    @classmethod
    def read_initial(cls, obj: User) -> dict[str, Any]:
        """Begin with what is so now."""
        return {"roles": [role.value for role in list_roles(obj)], "is_active": obj.is_active}


@admin.register(User)
class OperatorAdmin(ReadOnlyAdmin):
    """Operators. A username never changes: proposals and the audit log know people by it."""

    seen_by = ONLY_ADMINS
    list_display = ("username", "first_name", "role_names", "is_active", "factor", "last_login")
    list_filter = ("is_active", "groups")
    search_fields = ("username",)
    searched = {"": "username"}
    ordering = ("-id",)
    fields = (
        ("username", "first_name"),
        ("role_names", "is_active"),
        ("factor", "is_superuser"),
        ("last_login", "date_joined"),
    )
    readonly_fields = ("role_names", "factor")
    actions_list = ("create", "export")
    not_exported = ("password",)
    actions_detail = ("propose_access", "new_password", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read roles and factors of a page at once."""
        rows: QuerySet[Any] = super().get_queryset(request)
        groups = Prefetch("groups", queryset=Group.objects.order_by("name"))
        return rows.select_related("second_factor").prefetch_related(groups)

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """Leave out what Django says about its own way to edit users: nothing is edited here."""
        silent = {field.name: "" for field in User._meta.concrete_fields}  # noqa: SLF001 - Django's documented way
        return super().get_form(request, obj, **(options | {"help_texts": silent}))

    @admin.display(description=_("Roles"))
    def role_names(self, user: User) -> str:
        """Name the roles."""
        titles = {role.value: str(title) for role, title in ROLE_TITLES.items()}
        named = [titles.get(group.name, group.name) for group in user.groups.all()]
        if user.is_superuser:
            named.insert(0, say("Everything (superuser)"))
        return ", ".join(named) or "–"

    @admin.display(description=_("Second factor"), boolean=True)
    def factor(self, user: User) -> bool:
        """Tell whether one is confirmed."""
        row = getattr(user, "second_factor", None)
        return row is not None and row.confirmed_at is not None

    @confirmed_action(
        description=_("New operator"),
        permission="auth.add_user",
        url_path="create",
        icon="person_add",
        form=NewOperatorForm,
        on_list=True,
    )
    def create(self, *, operator: User, username: str, name: str, reason: str) -> ShownOnce:
        """Make an account without any right."""
        password = transactions.join(create_operator)(
            username=username, name=name, operator=operator, reason=reason
        )
        return ShownOnce(
            say("The account %s is made. It has no role yet: propose its access.") % username,
            {say("First password"): password},
        )

    @confirmed_action(
        description=_("Propose other access"),
        permission=f"console.propose_{OPERATOR_ACCESS.name}",
        url_path="propose-access",
        icon="badge",
        form=AccessForm,
        service_audits=True,
    )
    def propose_access(self, *, object_no: str, operator: User, reason: str, **access: Any) -> str:
        """Propose roles; another admin approves."""
        payload = build_payload(username=User.objects.get(pk=object_no).username, **access)
        made = propose(
            kind=OPERATOR_ACCESS.name,
            payload=payload,
            operator=operator.get_username(),
            reason=reason,
        )
        return say("Proposed as %s: another operator must approve.") % made

    @confirmed_action(
        description=_("New password"),
        permission="auth.change_user",
        url_path="new-password",
        icon="password",
        service_audits=True,
    )
    def new_password(self, *, object_no: str, operator: User, reason: str) -> ShownOnce:
        """Make a password, shown once; all sessions end."""
        username = User.objects.get(pk=object_no).username
        password = transactions.join(issue_password)(
            username=username, operator=operator, reason=reason
        )
        return ShownOnce(
            say("%s has a new password; open sessions are ended.") % username,
            {say("Password"): password},
        )

    @confirmed_action(
        description=_("Switch off"),
        permission="auth.change_user",
        url_path="disable",
        icon="block",
        service_audits=True,
        offered=lambda user: user.is_active,
    )
    def disable(self, *, object_no: str, operator: User, reason: str) -> str:
        """Switch off at once."""
        username = User.objects.get(pk=object_no).username
        transactions.join(disable_operator)(username=username, operator=operator, reason=reason)
        return say("%s is switched off; open sessions are ended.") % username

    def build_tables(self, obj: User) -> list[PageTable]:
        """Show what was done to the account, and what it did last."""
        about = AuditLog.objects.filter(object_no=obj.username).order_by("-id")[:_SHOWN]
        did = AuditLog.objects.filter(operator=obj.username).order_by("-id")[:_SHOWN]
        columns = ("at", "operator", "action", "object_no", "reason")
        return [
            build_page_table(_("What was done to this account"), about, columns=columns),
            build_page_table(_("What this operator did last"), did, columns=columns),
        ]


@admin.register(Group)
class OperatorGroupAdmin(ReadOnlyAdmin):
    """Groups: the six roles, kept by every migration, and a company's own."""

    seen_by = ONLY_ADMINS
    list_display = ("name",)
    search_fields = ("name",)
    searched = {"": "name"}
    ordering = ("-id",)
    fields = ("name",)

    def build_tables(self, obj: Group) -> list[PageTable]:
        """Show who is in it and what it may."""
        people = obj.user_set.order_by("username")[:_SHOWN]
        rights = obj.permissions.select_related("content_type").order_by("codename")
        return [
            PageTable(say("Operators"), (say("Name"),), tuple((u.username,) for u in people)),
            PageTable(
                say("May"),
                (say("Permission"), say("Value")),
                tuple((f"{r.content_type.app_label}.{r.codename}", r.name) for r in rights),
            ),
        ]
