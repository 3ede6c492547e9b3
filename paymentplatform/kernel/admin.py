"""Bases of the operators' pages: look at everything, change nothing but through a confirmed action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Final

from django import forms
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
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.admin_tables import (
    PageTable,
    clean_number,
    show_money,
    show_status,
)
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.errors import DomainError
from paymentplatform.kernel.problems import name_error

COUNTED_ROWS: Final = 10_000
REASON_MAX_CHARACTERS: Final = 500


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most COUNTED_ROWS rows: a list of five million orders opens as fast as one of five."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or COUNTED_ROWS when there are more; narrow the filter to see the rest."""
        rows = self.object_list.order_by()[:COUNTED_ROWS]  # type: ignore[attr-defined]
        return int(rows.count())


class _ChecksWithoutTables(ModelAdminChecks):
    """Django's checks alone: unfold's own look permissions up in a table that the first migration has yet to make."""


class ReadOnlyAdmin(ModelAdmin):
    """Rows to look at. Nothing is added, changed or deleted here, not even by a superuser.

    ``number_prefix`` makes this the page of such numbers: every one shown anywhere links here. ``searched`` maps the
    prefix of what is typed into the search box to the column it is looked for in, exactly; ``""`` is for the rest.
    """

    checks_class = _ChecksWithoutTables
    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    list_disable_select_all = True
    view_on_site = False
    number_prefix = ""
    searched: ClassVar[dict[str, str]] = {}
    change_form_outer_after_template = "console/page_tables.html"

    def build_tables(self, _obj: Any) -> list[PageTable]:
        """Return the tables under the page of this object."""
        return []

    def build_confirmation_tables(self, _obj: Any) -> list[PageTable]:
        """Return what an operator should see once more before confirming an act on this object."""
        return []

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
            context["page_tables"] = self.build_tables(obj) if obj is not None else []
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[no-any-return]

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


class ReasonForm(forms.Form):
    """Every act of an operator has a reason. Subclasses add what else the act needs to know."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_MAX_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    @classmethod
    def read_initial(cls, _obj: Any) -> dict[str, Any]:
        """Return what the other fields show at first."""
        return {}


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """What an act made and nobody can read again: shown in the answer to the POST and kept nowhere."""

    message: str
    secrets: dict[str, str]


Perform = Callable[..., str | ShownOnce]


def confirmed_action(
    *,
    description: Any,
    permission: str,
    url_path: str | None = None,
    icon: str | None = None,
    form: type[ReasonForm] = ReasonForm,
    service_audits: bool = False,
) -> Callable[[Perform], Callable[..., HttpResponse]]:
    """Make an admin method a button that asks first: GET only shows a form, POST acts.

    (A plain unfold action acts on GET, so a link in an e-mail could move money.) The method is called inside a
    transaction with keyword arguments ``object_no`` (the primary key) and what else ``form`` asks for, makes ONE
    service call (``transactions.join``) and returns what to say. The audit line, with what has changed of the object,
    is written in the same transaction, unless ``service_audits`` says that the service does so itself. A DomainError
    becomes a message. ``permission`` is ``app.codename``. List the method's name in ``actions_detail``.
    """

    def decorate(perform: Perform) -> Callable[..., HttpResponse]:
        @wraps(perform)
        def ask_then_act(self: ReadOnlyAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = get_object_or_404(self.get_queryset(request), pk=unquote(object_id))
            asked = form(
                request.POST if request.method == "POST" else None, initial=form.read_initial(obj)
            )
            opts = self.model._meta  # noqa: SLF001 - Django's documented way to a model's names
            back = reverse(
                f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk]
            )
            shown = {
                **self.admin_site.each_context(request),
                "title": description,
                "object": obj,
                "opts": opts,
                "form": asked,
                "back": back,
                "page_tables": self.build_confirmation_tables(obj),
            }
            if request.method != "POST" or not asked.is_valid():
                return render(request, "console/confirm_action.html", shown)
            done = _act(self, request, perform, obj, asked.cleaned_data, audit=not service_audits)
            if isinstance(done, ShownOnce):
                page = render(request, "console/shown_once.html", shown | {"done": done})
                page["Cache-Control"] = "no-store"
                return page
            return HttpResponseRedirect(back)

        button: Callable[..., HttpResponse] = action(
            description=description, permissions=[permission], url_path=url_path, icon=icon
        )(ask_then_act)
        return button

    return decorate


def _act(
    model_admin: ModelAdmin,
    request: HttpRequest,
    perform: Perform,
    obj: Model,
    answers: dict[str, Any],
    *,
    audit: bool,
) -> str | ShownOnce | None:
    """Act and tell: secrets go back to the caller, all else becomes a message of the next page."""
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            done = _act_and_record(model_admin, perform, obj, request.user, answers, audit=audit)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        named: DomainError = name_error(error)
        messages.error(request, f"{named.detail} ({named.code})")
        return None
    if isinstance(done, str):
        messages.success(request, done)
    return done


@transactions.start
def _act_and_record(
    model_admin: ModelAdmin,
    perform: Perform,
    obj: Model,
    operator: Any,
    answers: dict[str, Any],
    *,
    audit: bool,
) -> str | ShownOnce:
    """No act without its audit line, no line without its act (start)."""
    rows = type(obj)._default_manager.filter(pk=obj.pk)  # noqa: SLF001 - public, despite its name
    before = rows.values().get()
    done = perform(model_admin, object_no=str(obj.pk), operator=operator, **answers)
    if not audit:
        return done
    after = rows.values().get()
    changed = [name for name in after if after[name] != before[name]]
    audit_trail()(
        operator=operator,
        action=perform.__name__,
        object_no=str(obj.pk),
        reason=answers["reason"],
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return done
