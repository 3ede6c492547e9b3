"""Lists of operators that open as fast with five million rows as with five: by key, never by OFFSET, never counted."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.numbers import first_number
from paymentplatform.kernel.spreadsheets import make_harmless

EVER: Final = "ever"
AFTER: Final = "after"
BEFORE: Final = "before"
PERIOD: Final = "made"
RECENT_ROWS: Final = 2_000
KEY_MARGIN: Final = timedelta(hours=1)
EXPORT_ROWS: Final = 1_000_000
EXPORT_BATCH: Final = 2_000


class KeysetPages:
    """Stands where Django expects a paginator; knows nothing of how many rows there are."""

    template_name = "console/keyset_pages.html"

    def __init__(self, *, per_page: int, count: int) -> None:
        self.per_page, self.count = per_page, count


class KeysetChangeList(ChangeList):
    """One page of a list in the order of one unique column; ``after`` and ``before`` are keys on its edges.

    Where no index finds what is asked for, a page looks through ``scanned_rows`` rows and says so: the link to older
    ones goes on from there. So the rarest thing in the longest list takes many presses and never a long one.
    """

    older_url = ""
    newer_url = ""
    looked_through = 0

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Leave our own parameters out of the filters."""
        found: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in {AFTER, BEFORE}}

    def get_ordering(self, _request: HttpRequest, _queryset: QuerySet[Any]) -> list[str]:
        """Keep the page's own order: any other one would have to sort every row."""
        return list(self.model_admin.ordering)

    def get_results(self, request: HttpRequest) -> None:
        """Read one row more than fits, of as many as may be looked through: it tells whether there is another page."""
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
        edge = self._find_edge(request, column, older=older)
        if edge is not None:
            rows = rows.filter(**{f"{column}__{newer if not before else older}e": edge})
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
        scanned = int(self.model_admin.scanned_rows)
        self.looked_through = scanned if edge is not None and not more else 0
        oldest, newest = (getattr(page[at], column) if page else None for at in (-1, 0))
        goes_on_older = (oldest or edge) if before else oldest if more else edge
        goes_on_newer = (
            (newest if more else edge) if before else (newest or after) if after else None
        )
        if goes_on_older is not None:
            self.older_url = self._address({AFTER: goes_on_older})
        if goes_on_newer is not None:
            self.newer_url = self._address({BEFORE: goes_on_newer})

    def _find_edge(self, request: HttpRequest, column: str, *, older: str) -> Any:
        """Return the key at which this page stops looking; None where it need not stop before the list ends.

        The one OFFSET here: over so many keys of the index and no more.
        """
        if not self.model_admin.looks_without_index(request):
            return None
        keys: QuerySet[Any] = self.model._default_manager.all()  # noqa: SLF001 - public, despite its name
        for chosen in self.filter_specs:
            if getattr(chosen, "bounds_keys", False):
                keys = chosen.queryset(request, keys)
        before, after = request.GET.get(BEFORE), request.GET.get(AFTER)
        order = f"-{column}" if (older == "lt") != bool(before) else column
        if before:
            keys = _filter(keys, f"{column}__{'gt' if older == 'lt' else 'lt'}", before)
        elif after:
            keys = _filter(keys, f"{column}__{older}", after)
        reached = keys.order_by(order).values_list(column, flat=True)
        scanned = int(self.model_admin.scanned_rows)
        return next(iter(reached[scanned : scanned + 1]), None)

    def _address(self, edge: dict[str, Any]) -> str:
        return str(self.get_query_string(edge, [AFTER, BEFORE]))


def _filter(rows: QuerySet[Any], lookup: str, value: str) -> QuerySet[Any]:
    try:
        return rows.filter(**{lookup: value})
    except (ValueError, TypeError):
        return rows.none()


def narrow_keys(
    rows: QuerySet[Any], prefix: str, *, since: datetime | None, until: datetime | None
) -> QuerySet[Any]:
    """Add the bounds on the key that follow from bounds on the time of making, a little wider: an index serves them.

    A number tells the time at which it was drawn, somewhat before its row was written. Nothing is added while the
    platform's clock is moved (tests, demo): numbers tell the real time.
    """
    if abs(database_now() - datetime.now(UTC)) > KEY_MARGIN / 2:
        return rows
    if since is not None:
        rows = rows.filter(pk__gte=first_number(prefix, since - KEY_MARGIN))
    return rows if until is None else rows.filter(pk__lt=first_number(prefix, until + KEY_MARGIN))


class DayFilter(admin.DateFieldListFilter):
    """Days of a date that is that of the row's making: the key's own index serves them."""

    bounds_keys = True

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        _field, _request, _params, _model, model_admin, *_path = given
        self._prefix = str(model_admin.number_prefix)

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to the days."""
        narrowed: QuerySet[Any] = super().queryset(request, rows)  # type: ignore[assignment]
        since, until = (
            _begin_of_day(self.used_parameters.get(f"{self.field_path}__{lookup}"))
            for lookup in ("gte", "lt")
        )
        if since is None and until is None:
            return narrowed
        return narrow_keys(narrowed, self._prefix, since=since, until=until)


def _begin_of_day(told: Any) -> datetime | None:
    """Return when a day of the business begins; None for what tells none."""
    text = str(told[0] if isinstance(told, list) else told)
    try:
        return datetime.combine(
            date.fromisoformat(text), time(), ZoneInfo(settings.BUSINESS_TIME_ZONE)
        )
    except ValueError:
        return None


class PeriodFilter(admin.SimpleListFilter):
    """How young rows are, told by their numbers, which begin with the time: the key's own index serves it.

    A page with a ``default_period`` narrows to it as soon as something is asked for that no index finds: few rows may
    match, and all would be read to find them. The choice is shown, and *Any time* takes it away.
    """

    bounds_keys = True
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
        since = (
            datetime.now(UTC) - length
        )  # what numbers tell, also where the demo's clock is moved
        return rows.filter(pk__gte=first_number(self._prefix, since))


class UnendedFilter(admin.SimpleListFilter):
    """What has not ended: ``ended_column`` is null, which a partial index knows."""

    title = _("Not ended")
    parameter_name = "unended"
    ended_column = "resolved_at"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the one question."""
        return [("yes", _("Not ended"))]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what has not ended when asked."""
        return rows.filter(**{self.ended_column: None}) if self.value() == "yes" else rows


class RecentValuesFilter(admin.AllValuesFieldListFilter):
    """Offers the values that the newest rows have: all values would mean reading every row."""

    def __init__(self, field: Any, *others: Any, **named: Any) -> None:
        super().__init__(field, *others, **named)
        newest = field.model._default_manager.order_by("-pk")  # noqa: SLF001 - public, despite its name
        found = set(newest.values_list(field.name, flat=True)[:RECENT_ROWS])
        known = sorted(value for value in found if value not in {None, ""})
        self.lookup_choices = known  # type: ignore[assignment]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield each value in words, where it is a code that has some."""
        for choice in super().choices(changelist):
            yield {**choice, "display": name_code(str(choice["display"]))}


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
