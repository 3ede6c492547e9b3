"""Lists of operators that open as fast with five million rows as with five: by key, never by OFFSET, never counted."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.numbers import first_number
from paymentplatform.kernel.spreadsheets import make_harmless

EVER: Final = "ever"
AFTER: Final = "after"
BEFORE: Final = "before"
PERIOD: Final = "made"
RECENT_ROWS: Final = 2_000
EXPORT_ROWS: Final = 1_000_000
EXPORT_BATCH: Final = 2_000


class KeysetPages:
    """Stands where Django expects a paginator; knows nothing of how many rows there are."""

    template_name = "console/keyset_pages.html"

    def __init__(self, *, per_page: int, count: int) -> None:
        self.per_page, self.count = per_page, count


class KeysetChangeList(ChangeList):
    """One page of a list in the order of one unique column; ``after`` and ``before`` are keys on its edges."""

    older_url = ""
    newer_url = ""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Leave our own parameters out of the filters."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in {AFTER, BEFORE}}

    def get_ordering(self, _request: HttpRequest, _queryset: QuerySet[Any]) -> list[str]:
        """Keep the page's own order: any other one would have to sort every row."""
        return list(self.model_admin.ordering)

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than fits: it tells whether there is another page."""
        order = str(self.model_admin.ordering[0])
        column = order.removeprefix("-")
        after, before = request.GET.get(AFTER), request.GET.get(BEFORE)
        older = "lt" if order.startswith("-") else "gt"
        newer = "gt" if older == "lt" else "lt"
        rows = self.queryset
        if before:
            backwards = column if order.startswith("-") else f"-{column}"
            rows = _filter(rows, f"{column}__{newer}", before).order_by(backwards)
        elif after:
            rows = _filter(rows, f"{column}__{older}", after)
        found = list(rows[: self.list_per_page + 1])
        more = len(found) > self.list_per_page
        page = found[: self.list_per_page]
        if before:
            page.reverse()
        self.result_list = page
        self.result_count = self.full_result_count = len(page)
        self.show_full_result_count = False
        self.show_admin_actions = bool(page)
        self.can_show_all = self.multi_page = False
        self.paginator = KeysetPages(per_page=self.list_per_page, count=len(page))
        if page and (more if not before else True):
            self.older_url = self._address({AFTER: getattr(page[-1], column)})
        if page and ((before and more) or after):
            self.newer_url = self._address({BEFORE: getattr(page[0], column)})

    def _address(self, edge: dict[str, Any]) -> str:
        return str(self.get_query_string(edge, [AFTER, BEFORE]))


def _filter(rows: QuerySet[Any], lookup: str, value: str) -> QuerySet[Any]:
    try:
        return rows.filter(**{lookup: value})
    except (ValueError, TypeError):
        return rows.none()


class PeriodFilter(admin.SimpleListFilter):
    """How young rows are, told by their numbers, which begin with the time: the key's own index serves it.

    A page with a ``default_period`` narrows to it as soon as something is asked for that no index finds: few rows may
    match, and all would be read to find them. The choice is shown, and *Any time* takes it away.
    """

    title = _("Made in the last")
    parameter_name = PERIOD
    _periods: ClassVar[dict[str, tuple[Any, timedelta]]] = {
        "hour": (_("Hour"), timedelta(hours=1)),
        "day": (_("Day"), timedelta(days=1)),
        "week": (_("Week"), timedelta(days=7)),
        "month": (_("30 days"), timedelta(days=30)),
    }

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self._prefix = str(model_admin.number_prefix)
        self._default = model_admin.choose_default_period(request)
        super().__init__(request, params, model, model_admin)

    def value(self) -> str | None:
        """Return the chosen period, or the page's own one when something else narrows the list."""
        chosen: str | None = super().value()
        return chosen or self._default or None

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the periods."""
        periods = [(name, words) for name, (words, _length) in self._periods.items()]
        return [*periods, (EVER, _("Any time"))]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to the period."""
        if self.value() not in self._periods:
            return rows
        _words, length = self._periods[str(self.value())]
        return rows.filter(pk__gte=first_number(self._prefix, database_now() - length))


class RecentValuesFilter(admin.AllValuesFieldListFilter):
    """Offers the values that the newest rows have: all values would mean reading every row."""

    def __init__(self, field: Any, *others: Any, **named: Any) -> None:
        super().__init__(field, *others, **named)
        newest = field.model._default_manager.order_by("-pk")  # noqa: SLF001 - public, despite its name
        found = set(newest.values_list(field.name, flat=True)[:RECENT_ROWS])
        known = sorted(value for value in found if value not in {None, ""})
        self.lookup_choices = known  # type: ignore[assignment]


class CodesFilter(admin.ChoicesFieldListFilter):
    """Offers states by the very codes that stand in the list, in every language the same."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield *All* as it is, then each code."""
        offered = super().choices(changelist)
        yield next(offered)
        for (code, _words), choice in zip(self.field.flatchoices, offered, strict=False):
            yield {**choice, "display": code}


def choose_filter(model: Any, wanted: Any) -> Any:
    """Return a filter as it is, but for codes, and for a column whose values would be gathered from every row."""
    if not isinstance(wanted, str):
        return wanted
    field = model._meta.get_field(wanted)  # noqa: SLF001 - Django's documented way
    if field.choices:
        return (wanted, CodesFilter)
    gathers = isinstance(field, models.CharField | models.TextField) and not field.choices
    return (wanted, RecentValuesFilter) if gathers else wanted


def is_keyset_order(model: Any, ordering: Any) -> bool:
    """Tell whether a page's order is one unique column, which a key can go on from."""
    if not ordering or len(ordering) != 1 or not isinstance(ordering[0], str):
        return False
    field = model._meta.get_field(ordering[0].removeprefix("-"))  # noqa: SLF001 - Django's documented way
    return bool(field.unique)


def write_csv(
    rows: QuerySet[Any], *, columns: list[tuple[str, Callable[[Any], Any]]], key: str
) -> Iterator[str]:
    """Yield a CSV of rows in descending order of ``key``, a batch at a time and never all at once.

    Each column is a heading and what it shows of a row. A text that a spreadsheet would take for a formula begins
    with an apostrophe.
    """
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow([heading for heading, _show in columns])
    ordered, left = rows.order_by(f"-{key}"), EXPORT_ROWS
    last: Any = None
    while left > 0:
        batch = ordered if last is None else ordered.filter(**{f"{key}__lt": last})
        found = list(batch[: min(EXPORT_BATCH, left)])
        for row in found:
            yield writer.writerow([make_harmless(show(row)) for _heading, show in columns])
        if len(found) < EXPORT_BATCH:
            return
        last, left = getattr(found[-1], key), left - len(found)


class _Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text
