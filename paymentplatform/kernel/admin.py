"""Bases of the operators' pages: look at everything, change nothing but through a confirmed action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action

from paymentplatform.kernel import context, grants, transactions
from paymentplatform.kernel.admin_export import ExportedList
from paymentplatform.kernel.admin_forms import ReasonForm
from paymentplatform.kernel.admin_tables import (
    PageTable,
    clean_number,
    show_money,
    show_status,
)
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from paymentplatform.kernel.problems import name_error
from paymentplatform.kernel.roles import EVERYBODY, ONLY_ADMINS, Role

__all__ = [
    "BoundedPaginator",
    "ReadOnlyAdmin",
    "ReasonForm",
    "ShownOnce",
    "confirmed_action",
    "extend_page",
]

COUNTED_ROWS: Final = 10_000


_extensions: dict[str, list[Callable[[str], list[PageTable]]]] = {}


def extend_page(number_prefix: str, build_tables: Callable[[str], list[PageTable]]) -> None:
    """Let a floor above add its tables under the page of such numbers: what it knows of a thing of a floor below.

    ``build_tables`` is given the number; called once for each part of a page, at start-up.
    """
    _extensions.setdefault(number_prefix, []).append(build_tables)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most COUNTED_ROWS rows: a list of five million orders opens as fast as one of five."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or COUNTED_ROWS when there are more; narrow the filter to see the rest."""
        rows = self.object_list.order_by()[:COUNTED_ROWS]  # type: ignore[attr-defined]
        return int(rows.count())


class _ChecksWithoutTables(ModelAdminChecks):
    """Django's checks alone: unfold's own look permissions up in a table that the first migration has yet to make."""


class ReadOnlyAdmin(ExportedList, ModelAdmin):
    """Rows to look at. Nothing is added, changed or deleted here, not even by a superuser.

    ``number_prefix`` makes this the page of such numbers: every one shown anywhere links here. ``searched`` maps the
    prefix of what is typed into the search box to the column it is looked for in, exactly; ``""`` is for the rest.
    ``seen_by`` names the roles that may look; who may act stands at each act.
    ``more_rights`` maps permissions that views of the page's own ask for to the roles that have them.
    """

    checks_class = _ChecksWithoutTables
    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    list_disable_select_all = True
    view_on_site = False
    number_prefix = ""
    seen_by: ClassVar[tuple[Role, ...]] = EVERYBODY
    more_rights: ClassVar[dict[str, tuple[Role, ...]]] = {}
    searched: ClassVar[dict[str, str]] = {}
    change_form_outer_after_template = "console/page_tables.html"

    def build_tables(self, _obj: Any) -> list[PageTable]:
        """Return the tables under the page of this object."""
        return []

    def build_confirmation_tables(self, _obj: Any) -> list[PageTable]:
        """Return what an operator should see once more before confirming an act on this object."""
        return []

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Read the object of a page once, however many parts of the page ask for it."""
        read: dict[Any, Any] = request.__dict__.setdefault("_objects_read", {})
        key = (self.model, object_id, from_field)
        if key not in read:
            read[key] = super().get_object(request, object_id, from_field)
        return read[key]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only acts that would change something."""
        offered = super().get_actions_detail(request, object_id)
        if not any(_rule_of(act) for act in offered):
            return list(offered)
        obj = self.get_object(request, unquote(str(object_id)))
        return [act for act in offered if obj is None or _is_offered(_rule_of(act), obj)]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the object with its tables."""
        context = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            obj = self.get_object(request, unquote(object_id))
            context["page_tables"] = self._build_all_tables(obj) if obj is not None else []
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[no-any-return]

    def _build_all_tables(self, obj: Any) -> list[PageTable]:
        added = _extensions.get(self.number_prefix, [])
        more = [table for build in added for table in build(str(obj.pk))]
        return [*self.build_tables(obj), *more]

    def address_of(self, obj: Model | None) -> str:
        """Return the address of an object's page, of the list without one."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{name}_change", args=[obj.pk]) if obj else reverse(f"{name}_changelist")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by a whole number, however it was copied, through an index; half a number finds nothing."""
        term = clean_number(search_term)
        if not term or not self.searched:
            return super().get_search_results(request, queryset, search_term)  # type: ignore[no-any-return]
        column = self.searched.get(term.partition("_")[0], self.searched.get(""))
        try:
            return (queryset.filter(**{column: term}) if column else queryset.none()), False
        except ValueError:
            return queryset.none(), False

    @admin.display(description=_("Status"), ordering="status")
    def state(self, obj: Any) -> SafeString:
        """Return the state, coloured."""
        return show_status(str(obj.status))

    @admin.display(description=_("Amount"), ordering="amount")
    def money(self, obj: Any) -> SafeString:
        """Return the amount for people."""
        return show_money(obj.amount, obj.currency)

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody deletes."""
        return False


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """What an act made and nobody can read again: shown in the answer to the POST and kept nowhere."""

    message: str
    secrets: dict[str, str]


Perform = Callable[..., str | ShownOnce]
Rule = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Act:
    """One confirmed act: what it does, and what is asked and said around it."""

    perform: Perform
    form: type[ReasonForm]
    title: Any
    audit: bool
    foretell: Callable[[Any], str] | None
    offered: Rule | None
    calls_out: bool


def confirmed_action(
    *,
    description: Any,
    permission: str,
    url_path: str | None = None,
    icon: str | None = None,
    form: type[ReasonForm] = ReasonForm,
    service_audits: bool = False,
    foretell: Callable[[Any], str] | None = None,
    offered: Rule | None = None,
    roles: tuple[Role, ...] = ONLY_ADMINS,
    on_list: bool = False,
    calls_out: bool = False,
) -> Callable[[Perform], Callable[..., HttpResponse]]:
    """Make an admin method a button that asks first: GET only shows a form, POST acts.

    (A plain unfold action acts on GET, so a link in an e-mail could move money.) The method is called inside a
    transaction with keyword arguments ``object_no`` (the primary key) and what else ``form`` asks for, makes ONE
    service call (``transactions.join``) and returns what to say. The audit line, with what has changed of the object,
    is written in the same transaction, unless ``service_audits`` says that the service does so itself. A DomainError
    becomes a message, or stands at the field that it names. List the method's name in ``actions_detail``.

    ``permission`` is ``app.codename``; ``roles`` are those that get it when roles are seeded (every act with the same
    permission names the same ones). For ``console.propose_KIND`` the kind says who, and ``roles`` is left out.

    ``foretell`` says of the object, above the button, what will happen. ``offered`` tells whether there is anything to
    do: if not, the button is not there, and whoever presses it all the same changes nothing and writes no audit line.

    ``on_list`` makes it a button above the list, about no row: list it in ``actions_list``; the method gets no
    ``object_no`` and its service audits. ``calls_out`` is for services that may call a channel, so not inside a
    transaction: the audit line is committed before the act, and what came of it in a second one behind it.
    """

    def decorate(perform: Perform) -> Callable[..., HttpResponse]:
        act = _Act(perform, form, description, not service_audits, foretell, offered, calls_out)

        @wraps(perform)
        def ask_then_act(
            self: ReadOnlyAdmin, request: HttpRequest, object_id: str | None = None
        ) -> HttpResponse:
            if object_id is None:
                return _ask_then_act(self, request, act, None)
            obj = get_object_or_404(self.get_queryset(request), pk=unquote(object_id))
            return _ask_then_act(self, request, act, obj)

        button: Any = action(
            description=description, permissions=[permission], url_path=url_path, icon=icon
        )(ask_then_act)
        button.offered = offered
        button.permission = permission
        button.on_list = on_list
        button.roles = roles
        return button  # type: ignore[no-any-return]

    return decorate


def _ask_then_act(
    model_admin: ReadOnlyAdmin, request: HttpRequest, act: _Act, obj: Model | None
) -> HttpResponse:
    back = model_admin.address_of(obj)
    posted = request.POST if request.method == "POST" else None
    asked = act.form(posted, initial=act.form.read_initial(obj))
    done: str | ShownOnce | DomainError | None = None
    if not _is_offered(act.offered, obj):
        done = _nothing_to_do()
    elif posted is not None and asked.is_valid():
        done = _act(model_admin, request, act, obj, asked.cleaned_data)
    if done is None or (isinstance(done, InvalidRequest) and _put_at_fields(asked, done)):
        shown = _build_page(model_admin, request, act, obj) | {"form": asked, "back": back}
        return render(request, "console/confirm_action.html", shown)
    if isinstance(done, ShownOnce):
        shown = _build_page(model_admin, request, act, obj) | {"done": done, "back": back}
        page = render(request, "console/shown_once.html", shown)
        page["Cache-Control"] = "no-store"
        return page
    if isinstance(done, DomainError):
        messages.error(request, f"{done.detail} ({done.code})")
    else:
        messages.success(request, done)
    return HttpResponseRedirect(back)


def _build_page(
    model_admin: ReadOnlyAdmin, request: HttpRequest, act: _Act, obj: Model | None
) -> dict[str, Any]:
    return {
        **model_admin.admin_site.each_context(request),
        "title": act.title,
        "object": obj,
        "opts": model_admin.opts,
        "foretold": act.foretell(obj) if act.foretell is not None else "",
        "page_tables": model_admin.build_confirmation_tables(obj) if obj is not None else [],
    }


def _put_at_fields(asked: ReasonForm, error: DomainError) -> bool:
    """Tell of the error beside what was typed; False where the form asks for nothing but the reason."""
    if len(asked.fields) == 1:
        return False
    named = [item for item in error.errors if item.field in asked.fields]
    for item in named:
        asked.add_error(item.field, item.detail)
    if not named:
        asked.add_error(None, f"{error.detail} ({error.code})")
    return True


def _rule_of(act: Any) -> Rule | None:
    return getattr(act.method, "offered", None)


def _is_offered(rule: Rule | None, obj: Model | None) -> bool:
    return rule is None or rule(obj)


def _nothing_to_do() -> str:
    return say("There is nothing to do; nothing was changed.")


def _act(
    model_admin: ModelAdmin,
    request: HttpRequest,
    act: _Act,
    obj: Model | None,
    answers: dict[str, Any],
) -> str | ShownOnce | DomainError:
    """Act; whatever goes wrong is returned as a named error."""
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            if act.calls_out and obj is not None:
                return _record_act_record(model_admin, act, obj, request.user, answers)
            return _act_and_record(model_admin, act, obj, request.user, answers)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        return name_error(error)


@transactions.start
def _act_and_record(
    model_admin: ModelAdmin, act: _Act, obj: Model | None, operator: Any, answers: dict[str, Any]
) -> str | ShownOnce:
    """No act without its audit line, no line without its act (start)."""
    if obj is None:
        return act.perform(model_admin, operator=operator, **answers)
    rows = type(obj)._default_manager.filter(pk=obj.pk)  # noqa: SLF001 - public, despite its name
    # What nobody may update cannot change under our eyes, and the database lets nobody lock it.
    changes = "UPDATE" in getattr(type(obj), "database_access", grants.MUTABLE)
    seen = (rows.select_for_update(no_key=True) if changes else rows).get()
    if act.offered is not None and not act.offered(seen):
        return _nothing_to_do()
    before = rows.values().get()
    done = act.perform(model_admin, object_no=str(obj.pk), operator=operator, **answers)
    if not act.audit:
        return done
    after = rows.values().get()
    changed = [name for name in after if after[name] != before[name]]
    audit_trail()(
        operator=operator,
        action=act.perform.__name__,
        object_no=str(obj.pk),
        reason=answers["reason"],
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return done


def _record_act_record(
    model_admin: ModelAdmin, act: _Act, obj: Model, operator: Any, answers: dict[str, Any]
) -> str | ShownOnce:
    """Act outside every transaction, between two audit lines: a crash in between leaves the first one."""
    rows = type(obj)._default_manager.filter(pk=obj.pk)  # noqa: SLF001 - public, despite its name
    name, object_no, reason = act.perform.__name__, str(obj.pk), answers["reason"]
    write = transactions.start(audit_trail())
    before = rows.values().get()
    write(operator=operator, action=name, object_no=object_no, reason=reason)
    done = act.perform(model_admin, object_no=object_no, operator=operator, **answers)
    after = rows.values().get()
    changed = [column for column in after if after[column] != before[column]]
    write(
        operator=operator,
        action=f"{name}_result",
        object_no=object_no,
        reason=str(done),
        before={column: before[column] for column in changed},
        after={column: after[column] for column in changed},
    )
    return done
