"""Puts the figures onto the first page of the operators' site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from paymentplatform.console.dashboard import PERIODS, Dashboard, Share, read_dashboard
from paymentplatform.kernel.admin_tables import PageTable, build_page_table, show_money, show_time

TITLES: Final = {"hour": _("Last hour"), "day": _("Last day"), "week": _("Last week")}
_COLOURS: Final = {"paid": "#16a34a", "failed": "#dc2626", "open": "#2563eb"}
_LINK: Final = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'


def fill_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard for whoever may look at payments."""
    if not request.user.has_perm("engine.view_paymentorder"):
        return context
    found = read_dashboard(period=request.GET.get("period", "hour"))
    context["periods"] = [(name, TITLES[name], name == found.period) for name in PERIODS]
    context["tiles"] = list(_tiles(found))
    context["chart"] = _draw(found)
    context["legend"] = [(title, _COLOURS[name]) for name, title in _name_parts()]
    context["points"] = any(point.begun for point in found.points)
    context["page_tables"] = [
        _shares(say("By method"), [s for s in found.shares if s.dimension == "METHOD"]),
        _shares(say("By channel"), [s for s in found.shares if s.dimension == "CHANNEL"]),
        build_page_table(
            _("Money in unknown state"),
            found.exposure,
            columns=("channel_code", "age", "attempts", "amount", "oldest_at"),
        ),
        _settlement_due(found),
    ]
    return context


def _tiles(found: Dashboard) -> Iterator[dict[str, Any]]:
    late = show_time(found.oldest_late_order) if found.oldest_late_order else ""
    lists = {
        "cases": f"{reverse('admin:engine_case_changelist')}?unended=yes",
        "late": f"{reverse('admin:engine_latemoney_changelist')}?status__exact=OPEN",
        "proposals": f"{reverse('admin:console_proposal_changelist')}?status__exact=OPEN",
        "differences": f"{reverse('admin:engine_discrepancy_changelist')}?unended=yes",
        "payouts": f"{reverse('admin:acquiring_payout_changelist')}?unended=yes",
        "deliveries": f"{reverse('admin:acquiring_delivery_changelist')}?status__exact=DUE",
        "channels": reverse("admin:engine_knownchannel_changelist"),
        "orders": f"{reverse('admin:acquiring_tradeorder_changelist')}?overdue=yes",
    }
    disabled = found.disabled_channels
    backlog = sum(found.backlog.values())
    for title, count, note, link in (
        (say("Open cases"), found.open_cases, "", lists["cases"]),
        (say("Late money to decide"), found.open_late_money, "", lists["late"]),
        (say("Proposals that wait"), found.open_proposals, "", lists["proposals"]),
        (say("Open differences"), found.open_differences, "", lists["differences"]),
        (say("Payouts under way"), found.open_payouts, "", lists["payouts"]),
        (say("Orders past their time"), found.late_orders, late, lists["orders"]),
        (say("Notices that are due"), backlog, "", lists["deliveries"]),
        (say("Channels disabled"), len(disabled), ", ".join(disabled), lists["channels"]),
    ):
        yield {"title": title, "count": format_html(_LINK, link, f"{count:,}"), "note": note}


def _shares(title: str, shares: list[Share]) -> PageTable:
    headers = (
        *(say("Name"), say("Begun"), say("Paid"), say("Failed"), say("Open")),
        *(say("Success"), say("Mean time"), say("Over 10 s"), say("Amount")),
    )
    rows = tuple(
        (
            share.name,
            *(f"{count:,}" for count in (share.begun, share.paid, share.failed, share.open)),
            "–" if share.success_rate is None else f"{share.success_rate:.1f} %",
            "–" if share.seconds is None else f"{share.seconds:.2f} s",
            f"{share.slow:,}",
            show_money(share.paid_amount, share.currency),
        )
        for share in shares
    )
    return PageTable(title, headers, rows)


def _settlement_due(found: Dashboard) -> PageTable:
    """Show what the next run of settlement releases: it empties within minutes unless a hold or a fault keeps it."""
    headers = (
        *(say("Currency"), say("Merchants"), say("Payments")),
        *(say("Amount after fees"), say("Oldest business day")),
    )
    rows = tuple(
        (
            due.currency,
            f"{due.merchants:,}",
            f"{due.items:,}{'+' if due.is_more else ''}",
            show_money(due.amount, due.currency),
            f"{due.oldest_date:%Y-%m-%d}",
        )
        for due in found.settlement_due
    )
    return PageTable(say("Settlement due to merchants"), headers, rows)


def _name_parts() -> tuple[tuple[str, str], ...]:
    return (("paid", say("Paid")), ("failed", say("Failed")), ("open", say("Open")))


def _draw(found: Dashboard) -> str:
    """Return the chart's data for the theme's own drawing."""
    pattern = "%H:%M" if found.period == "hour" else "%m-%d %H:%M"
    labels = [timezone.localtime(point.at).strftime(pattern) for point in found.points]
    counts = {
        "paid": [p.paid for p in found.points],
        "failed": [p.failed for p in found.points],
        "open": [p.begun - p.paid - p.failed for p in found.points],
    }
    datasets = [
        {
            "label": title,
            "data": counts[name],
            "backgroundColor": _COLOURS[name],
            "stack": "all",
            "displayYAxis": True,
        }
        for name, title in _name_parts()
    ]
    return json.dumps({"labels": labels, "datasets": datasets})
