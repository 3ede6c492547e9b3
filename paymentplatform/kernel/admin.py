"""Bases of the operators' pages: look at everything, change nothing but through a confirmed action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from paymentplatform.kernel.admin_acts import (
    ShownOnce,
    confirmed_action,
    find_blocking,
    is_offered,
    rule_of,
    submit_proposal,
)
from paymentplatform.kernel.admin_export import ExportedList
from paymentplatform.kernel.admin_forms import ReasonForm
from paymentplatform.kernel.admin_tables import (
    PageTable,
    clean_number,
    show_money,
    show_status,
)
from paymentplatform.kernel.proposing import WaitingProposal, list_waiting_proposals
from paymentplatform.kernel.roles import EVERYBODY, Role

__all__ = [
    "BoundedPaginator",
    "ReadOnlyAdmin",
    "ReasonForm",
    "ShownOnce",
    "confirmed_action",
    "extend_page",
    "submit_proposal",
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
    show_facets = admin.ShowFacets.NEVER  # they would count every row
    paginator = BoundedPaginator
    list_disable_select_all = True
    view_on_site = False
    number_prefix = ""
    seen_by: ClassVar[tuple[Role, ...]] = EVERYBODY
    more_rights: ClassVar[dict[str, tuple[Role, ...]]] = {}
    searched: ClassVar[dict[str, str]] = {}
    change_form_outer_before_template = "console/waiting_proposals.html"
    change_form_outer_after_template = "console/page_tables.html"

    def build_tables(self, _obj: Any) -> list[PageTable]:
        """Return the tables under the page of this object."""
        return []

    def build_confirmation_tables(self, _obj: Any) -> list[PageTable]:
        """Return what an operator should see once more before confirming an act on this object."""
        return []

    def list_proposal_subjects(self, obj: Any) -> list[str]:
        """Return the numbers under which proposals about this object stand: its own, mostly."""
        return [str(obj.pk)]

    def list_waiting(self, request: HttpRequest, obj: Any) -> list[WaitingProposal]:
        """Return what waits for a second person about this object, asked once for each request."""
        read: dict[Any, list[WaitingProposal]] = request.__dict__.setdefault("_waiting_read", {})
        key = (self.model, obj.pk)
        if key not in read:
            read[key] = list_waiting_proposals(subject_nos=self.list_proposal_subjects(obj))
        return read[key]

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
        kinds = {id(act): getattr(act.method, "waits_for", "") for act in offered}
        if not any(rule_of(act) or kinds[id(act)] for act in offered):
            return list(offered)
        obj = self.get_object(request, unquote(str(object_id)))
        if obj is None:
            return list(offered)
        waiting = self.list_waiting(request, obj)
        return [
            act
            for act in offered
            if find_blocking(kinds[id(act)], waiting) is None and is_offered(rule_of(act), obj)
        ]

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
            if obj is not None:
                context["page_tables"] = self._build_all_tables(obj)
                context["waiting_proposals"] = self.list_waiting(request, obj)
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[no-any-return]

    def _build_all_tables(self, obj: Any) -> list[PageTable]:
        added = _extensions.get(self.number_prefix, [])
        more = [table for build in added for table in build(str(obj.pk))]
        return [*self.build_tables(obj), *more]

    def lock_before(self, obj: Any) -> None:
        """Lock what the services of this page lock before its row, in the same order (require). Nothing, mostly."""

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
