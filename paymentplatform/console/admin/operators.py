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

from paymentplatform.console.action_words import name_action
from paymentplatform.console.admin.identity_words import name_person
from paymentplatform.console.admin.preview_words import ROLE_TITLES
from paymentplatform.console.admin.right_words import name_right
from paymentplatform.console.models import AuditLog
from paymentplatform.console.proposals.operator_access import OPERATOR_ACCESS, build_payload
from paymentplatform.console.services.identities import confirm_operator, is_ready
from paymentplatform.console.services.operators import (
    create_operator,
    disable_operator,
    issue_password,
    list_roles,
)
from paymentplatform.console.services.proposals import propose
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, ShownOnce, confirmed_action
from paymentplatform.kernel.admin_tables import PageTable, link_number, name_column, show_time
from paymentplatform.kernel.roles import ONLY_ADMINS, Role

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


class WordForm(ReasonForm):
    """Asks for the word that the account's owner sees after his log-in."""

    word = forms.CharField(
        label=_("The word that its owner tells you"),
        max_length=16,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    field_order = ["word", "reason"]


def _waits_for_confirmation(user: User) -> bool:
    row = getattr(user, "identity", None)
    return row is not None and row.confirmed_at is None and is_ready(user, row)


@admin.register(User)
class OperatorAdmin(ReadOnlyAdmin):
    """Operators. A username never changes: proposals and the audit log know people by it."""

    seen_by = ONLY_ADMINS
    list_display = (
        *("username", "first_name", "role_names", "is_active"),
        *("factor", "person", "last_login"),
    )
    list_filter = ("is_active", "groups")
    search_fields = ("username",)
    searched = {"": "username"}
    ordering = ("-id",)
    fields = (
        ("username", "first_name"),
        ("role_names", "is_active"),
        ("factor", "is_superuser"),
        "person",
        ("last_login", "date_joined"),
    )
    readonly_fields = ("role_names", "factor", "person")
    actions_list = ("create", "export")
    not_exported = ("password",)
    actions_detail = ("confirm_person", "propose_access", "new_password", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read roles and factors of a page at once."""
        rows: QuerySet[Any] = super().get_queryset(request)
        groups = Prefetch("groups", queryset=Group.objects.order_by("name"))
        return rows.select_related("second_factor", "identity").prefetch_related(groups)

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """Leave out what Django says about its own way to edit users: nothing is edited here."""
        silent = {field.name: "" for field in User._meta.concrete_fields}  # noqa: SLF001 - Django's documented way
        return super().get_form(request, obj, **(options | {"help_texts": silent}))

    def list_proposal_subjects(self, obj: User) -> list[str]:
        """People are known by their names."""
        return [obj.username]

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

    @admin.display(description=_("Whose account it is"))
    def person(self, user: User) -> str:
        """Say who vouches for the person behind it, or what is still missing."""
        return name_person(getattr(user, "identity", None))

    @confirmed_action(
        description=_("Confirm its owner"),
        permission="auth.change_user",
        url_path="confirm-person",
        icon="how_to_reg",
        form=WordForm,
        service_audits=True,
        offered=_waits_for_confirmation,
        foretell=lambda _user: say(
            "The account works from then on. Ask the person, face to face or by a number that you know, not whoever "
            "made the account."
        ),
    )
    def confirm_person(self, *, object_no: str, operator: User, word: str, reason: str) -> str:
        """Vouch for the person behind the account."""
        username = User.objects.get(pk=object_no).username
        transactions.join(confirm_operator)(
            username=username, word=word, operator=operator, reason=reason
        )
        return say("%s is confirmed and can work.") % username

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
            say(
                "The account %s is made. It has no role yet: propose its access. Its owner chooses a password of his "
                "own within three days; then another administrator than you confirms him."
            )
            % username,
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
        return [
            _show_lines(say("What was done to this account"), about),
            _show_lines(say("What this operator did last"), did),
        ]


def _show_lines(title: str, lines: QuerySet[AuditLog]) -> PageTable:
    columns = ("at", "operator", "action", "object_no", "reason")
    rows = tuple(
        (
            show_time(line.at),
            line.operator,
            name_action(line.action),
            link_number(line.object_no),
            line.reason,
        )
        for line in lines
    )
    return PageTable(title, tuple(name_column(column) for column in columns), rows)


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
                (say("Permission"), say("What it permits")),
                tuple((f"{r.content_type.app_label}.{r.codename}", name_right(r)) for r in rights),
            ),
        ]
