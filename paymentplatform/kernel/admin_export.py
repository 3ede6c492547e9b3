"""The list of every page of operators: paged by key, narrowed by period, exported with a reason."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action

from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin_forms import ReasonForm
from paymentplatform.kernel.admin_lists import (
    AFTER,
    BEFORE,
    PERIOD,
    KeysetChangeList,
    PeriodFilter,
    choose_filter,
    is_keyset_order,
    write_csv,
)
from paymentplatform.kernel.admin_tables import clean_number
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.redaction import is_secret_name, redact_value
from paymentplatform.kernel.saved_views import saved_views

EXPORT_LISTS: Final = "console.export_lists"


def _reader_of(field: Any) -> Callable[[Any], Any]:
    read = attrgetter(field.attname)
    if isinstance(field, JSONField):
        return lambda row: redact_value(read(row))
    return read


class ExportedList(ModelAdmin):
    """A list that stays fast and can be taken along. ``not_exported`` names columns that stay here.

    ``default_period`` (``day``) is for lists of millions: filtered, or searched by a number with a prefix of
    ``searched_in_period``, which no index finds, they show that much unless told otherwise. ``indexed_filters`` are
    parameters with a value that an index finds, ``implied`` tells of a state what else holds in it and its partial
    index asks for: what is narrowed so is shown of any time, and so is what a filter of ``time_filters`` (how its
    parameters begin) narrows to a time of its own. Whatever else a filter asks for, one page looks through
    ``scanned_rows`` rows at most.
    """

    actions_list: Any = ("export",)
    number_prefix = ""
    default_period = ""
    scanned_rows = 100_000
    searched_in_period: ClassVar[tuple[str, ...]] = ()
    indexed_filters: ClassVar[tuple[tuple[str, str], ...]] = ()
    implied: ClassVar[dict[str, dict[str, Any]]] = {}
    time_filters: ClassVar[tuple[str, ...]] = ()
    not_exported: ClassVar[tuple[str, ...]] = ()
    list_before_template = "console/saved_views.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under the operator's own views of it."""
        shown = dict(extra_context or {})
        if request.user.is_authenticated:
            shown["saved_views"] = saved_views().list_views(
                operator=request.user, page=self._page_name()
            )
            shown["save_view_url"] = f"{request.path}save-view/"
        return super().changelist_view(request, shown)  # type: ignore[no-any-return]

    def get_urls(self) -> list[Any]:
        """Add where a view is saved."""
        save = self.admin_site.admin_view(self.save_view)
        return [path("save-view/", save), *super().get_urls()]

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Save a view (POST), and show the list in it."""
        if not self.has_view_permission(request) or request.method != "POST":
            raise PermissionDenied
        query = request.POST.get("query", "")
        try:
            saved_views().save_view(
                operator=request.user,
                page=self._page_name(),
                name=request.POST.get("name", ""),
                query=query,
            )
        except InvalidRequest as refusal:
            messages.error(request, refusal.detail)
        return HttpResponseRedirect(f"{request.path.removesuffix('save-view/')}?{query}")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse to narrow a list by what it hides: whoever may ask how a secret begins soon knows all of it."""
        if any(is_secret_name(part) or part in self.not_exported for part in lookup.split("__")):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def _page_name(self) -> str:
        return f"{self.opts.app_label}.{self.opts.model_name}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Say of a rare state what its partial index asks for."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(**self.implied.get(request.GET.get("status__exact", ""), {}))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Page by key where the order allows it."""
        if is_keyset_order(self.model, self.ordering):
            return KeysetChangeList
        return super().get_changelist(request, **kwargs)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Offer no order that no index serves."""
        if is_keyset_order(self.model, self.ordering):
            return ()
        return super().get_sortable_by(request)

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Offer periods wherever numbers tell them."""
        filters = [choose_filter(self.model, one) for one in super().get_list_filter(request)]
        key = self.model._meta.pk.name  # noqa: SLF001 - Django's documented way
        if self.number_prefix and list(self.ordering) == [f"-{key}"]:
            return [PeriodFilter, *filters]
        return filters

    def choose_default_period(self, request: HttpRequest) -> str:
        """Return the period that the list shows when none is chosen; empty: any time."""
        if self.time_filters and any(name.startswith(self.time_filters) for name in request.GET):
            return ""
        return self.default_period if self.looks_without_index(request) else ""

    def looks_without_index(self, request: HttpRequest) -> bool:
        """Tell whether the list is narrowed by something that no index finds."""
        asked = request.GET
        if any(asked.get(name) == value for name, value in self.indexed_filters):
            return False
        if asked.get("status__exact") in self.implied:
            return False
        term = clean_number(asked.get("q", ""))
        if term:
            return term.partition("_")[0] in self.searched_in_period
        return bool(set(asked) - {AFTER, BEFORE, PERIOD, ORDER_VAR})

    def list_export_columns(self, request: HttpRequest) -> list[tuple[str, Callable[[Any], Any]]]:
        """Return heading and content of each column of an export: every stored column without secrets.

        Documents lose the secrets inside them, as they do on a page.
        """
        hidden = set(self.get_exclude(request) or ()) | set(self.not_exported)
        return [
            (field.attname, _reader_of(field))
            for field in self.model._meta.concrete_fields  # noqa: SLF001 - Django's documented way
            if field.attname not in hidden and not is_secret_name(field.attname)
        ]

    @action(description=_("Export as CSV"), url_path="export", icon="download")
    def export(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Ask why (GET), then stream every row of the list as it is filtered, newest first (POST)."""
        if not request.user.has_perm(EXPORT_LISTS) or not self.has_view_permission(request):
            raise PermissionDenied
        asked = ReasonForm(request.POST or None)
        if request.method == "POST" and asked.is_valid():
            rows = self.get_changelist_instance(request).queryset
            self._note_export(request, asked.cleaned_data["reason"])
            key = self.model._meta.pk.name  # noqa: SLF001 - Django's documented way
            lines = write_csv(rows, columns=self.list_export_columns(request), key=key)
            answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
            name = f"{self.opts.model_name}.csv"
            answer["Content-Disposition"] = f'attachment; filename="{name}"'
            return answer
        shown = {
            **self.admin_site.each_context(request),
            "title": _("Export as CSV"),
            "opts": self.opts,
            "form": asked,
            "back": f"{request.path.removesuffix('export/')}?{request.GET.urlencode()}",
            "foretold": say("The list as it is filtered, at most 1,000,000 rows, newest first."),
        }
        return render(request, "console/confirm_action.html", shown)

    @transactions.start
    def _note_export(self, request: HttpRequest, reason: str) -> None:
        audit_trail()(
            operator=request.user,
            action="export_list",
            object_no=self._page_name(),
            reason=reason,
            after={"filters": request.GET.dict()},
        )

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Offer the export to whoever may export."""
        offered = super().get_actions_list(request)
        may = request.user.has_perm(EXPORT_LISTS)
        return [act for act in offered if may or act.path != "export"]
