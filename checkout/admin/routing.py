"""Routing for operators: the versions of the route book, and what was decided for an order, under the order's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from checkout.admin.reason_words import explain_method, explain_place
from checkout.catalogue import Verdict
from checkout.models import RouteBookVersion
from checkout.routing import Candidate
from checkout.services.explaining import (
    ConsultAnswer,
    RouteRecord,
    list_consult_answers,
    list_routes,
)
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_tables import PageTable, show_money
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.roles import EVERYBODY


class BookForm(ReasonForm):
    """The document, and the version in force that its author has before his eyes."""

    based_on = forms.IntegerField(label=_("Takes the place of"), widget=UnfoldAdminTextInputWidget)
    document = forms.JSONField(
        label=_("Rules"), widget=UnfoldAdminTextareaWidget(attrs={"rows": 20}), empty_value={}
    )

    @classmethod
    def read_initial(cls, obj: RouteBookVersion) -> dict[str, Any]:
        """Begin with this version."""
        newest = RouteBookVersion.objects.order_by("-version").values_list("version", flat=True)
        return {"document": obj.document, "based_on": newest.first()}


@admin.register(RouteBookVersion)
class RouteBookVersionAdmin(ReadOnlyAdmin):
    """Every version of the routing rules; the highest is in force."""

    seen_by = EVERYBODY
    list_display = ("version", "reason", "made_by", "created_at")
    search_fields = ("version",)
    search_help_text = _("A whole version number")
    searched: ClassVar[dict[str, str]] = {"": "version"}
    ordering = ("-version",)
    fields = (("version", "created_at"), ("made_by", "reason"), "text")
    readonly_fields = ("text",)
    actions_detail = ("propose_version",)

    @confirmed_action(
        description=_("Propose a new version"),
        permission="console.propose_route_book",
        url_path="propose-version",
        icon="approval",
        form=BookForm,
        service_audits=True,
    )
    def propose_version(
        self, *, object_no: str, operator: Any, reason: str, document: Any, based_on: int
    ) -> str:
        """Write other rules; another person must approve them. From an old version: go back to it."""
        return submit_proposal(
            kind="route_book",
            payload={"document": document, "based_on": based_on},
            operator=operator,
            reason=reason,
        )

    def list_proposal_subjects(self, _obj: RouteBookVersion) -> list[str]:
        """Another version is proposed about the newest one, whichever is looked at."""
        newest = RouteBookVersion.objects.order_by("-version").values_list("version", flat=True)
        return [f"route book {(newest.first() or 0) + 1}"]

    @admin.display(description=_("Rules"))
    def text(self, book: RouteBookVersion) -> SafeString:
        """Return the document, laid out."""
        return format_html("<pre>{}</pre>", json.dumps(book.document, indent=2, ensure_ascii=False))


def build_order_tables(order_no: str) -> list[PageTable]:
    """Return what was offered for an order and why not the rest, then where its payments went."""
    try:
        routes = list_routes(number=order_no)
    except NotFound:
        routes = []
    return [*map(_show_answer, list_consult_answers(order_no=order_no)), *map(_show_route, routes)]


def _show_answer(answer: ConsultAnswer) -> PageTable:
    title = say("Offered at %(at)s (%(who)s, %(terminal)s, %(locale)s; catalogue %(revision)s)") % {
        "at": date_format(localtime(answer.at), "Y-m-d H:i:s O"),
        "who": answer.asked_by,
        "terminal": answer.terminal,
        "locale": answer.locale,
        "revision": answer.catalogue_revision,
    }
    headers = (say("Place"), say("Method"), say("Why not"), say("Why here"))
    rows = tuple(
        (
            row.rank if row.is_offered else "–",
            str(row.method),
            explain_method(row.reason_code),
            " · ".join(_why_here(row)) or "–",
        )
        for row in answer.methods
    )
    return PageTable(title, headers, rows)


def _why_here(row: Verdict) -> Iterator[str]:
    if row.is_last_used:
        yield say("used last")
    if row.preference is not None:
        yield say("the merchant's preference %d") % row.preference
    if row.success_ppm is not None:
        yield say("success %.1f %%") % (row.success_ppm / 10_000)
    if row.cost_amount is not None:
        yield say("cost %d minor units") % row.cost_amount
    yield say("catalogue place %d") % row.position


def _show_route(route: RouteRecord) -> PageTable:
    title = say("Route of %(payment)s: rule %(rule)s, %(strategy)s, route book %(version)s") % {
        "payment": route.payment_no,
        "rule": route.rule or "–",
        "strategy": route.strategy,
        "version": route.book_version,
    }
    headers = (
        *(say("Place"), say("Channel"), say("Why")),
        *(say("Expected cost"), say("Success rate"), say("Weight")),
    )
    rows = tuple(_show_candidate(row, route.currency) for row in route.candidates)
    return PageTable(title, headers, rows)


def _show_candidate(row: Candidate, currency: str) -> tuple[Any, ...]:
    return (
        row.place or "–",
        row.channel,
        explain_place(row.reason),
        "–" if row.cost_amount is None else show_money(row.cost_amount, currency),
        "–" if row.success_ppm is None else f"{row.success_ppm / 10_000:.1f} %",
        "–" if row.weight is None else row.weight,
    )
