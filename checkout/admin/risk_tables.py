"""What risk made of an order's wishes to pay, under the order's page."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html_join
from django.utils.translation import gettext as say

from checkout.models import RiskDecision
from paymentplatform.kernel.admin_tables import (
    PageTable,
    link_number,
    name_column,
    show_status,
    show_time,
)

SHOWN_DECISIONS = 20
_COLUMNS = ("at", "outcome", "reason", "rules", "payment_no")


def build_risk_tables(order_no: str) -> list[PageTable]:
    """Return the latest decisions about an order, with the rules that fired, those in shadow too."""
    decisions = RiskDecision.objects.filter(order_no=order_no).order_by("-id")[:SHOWN_DECISIONS]
    rows = tuple(_show_decision(row) for row in decisions)
    names = tuple(map(name_column, _COLUMNS))
    return [PageTable(say("Risk decisions"), names, rows)] if rows else []


def _show_decision(row: RiskDecision) -> tuple[Any, ...]:
    fired = ((link_number(rule_no), mode) for rule_no, _revision, mode, _known in row.fired)
    return (
        show_time(row.at),
        show_status(row.outcome),
        link_number(row.reason) if row.reason else say("nothing found"),
        format_html_join(", ", "{} {}", fired) or "–",
        link_number(row.payment_no) if row.payment_no else "–",
    )
