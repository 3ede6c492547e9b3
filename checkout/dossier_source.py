"""What checkout tells the dossier: how each wish to pay was judged, and why each payment went to its channel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from django.utils.translation import gettext as say

from checkout.models import RiskDecision, RiskReview, RouteDecision, Transition
from paymentplatform.kernel.dossier import Entry, entries_of, entries_of_moves
from paymentplatform.kernel.history import read_move


def tell_decisions(order_no: str) -> Iterator[Entry]:
    """Tell every risk and routing decision of an order with its facts, and what people said to wishes that waited."""
    decisions = entries_of(
        "risk_decision",
        RiskDecision.objects.filter(order_no=order_no).order_by("id"),
        number="payment_no",
        at="at",
        says=lambda row: ", ".join(
            filter(None, (row.outcome, row.reason, say("rules, version %s") % row.rules_version))
        ),
    )
    for entry in decisions:
        # Where nothing was started, the order is what was judged.
        judged = entry.data["payment_no"] or order_no
        yield dataclasses.replace(entry, number=judged)
    yield from entries_of(
        "route_decision",
        RouteDecision.objects.filter(order_no=order_no).order_by("payment_no"),
        number="payment_no",
        at="created_at",
        says=_say_route,
    )
    reviews = list(RiskReview.objects.filter(order_no=order_no).order_by("review_no"))
    yield from entries_of(
        "risk_review",
        reviews,
        number="review_no",
        at="created_at",
        says=lambda row: (
            f"{row.amount} {row.currency}, {row.method}, {say('rule %s') % row.rule_no}"
        ),
    )
    moves = Transition.objects.filter(object_no__in=[row.review_no for row in reviews])
    yield from entries_of_moves(map(read_move, moves.order_by("id")))


def _say_route(row: RouteDecision) -> str:
    rule = say("rule %s") % row.rule if row.rule else say("no rule of its own")
    book = say("route book, version %s") % row.book_version
    return f"{row.method} → {row.channel_code}, {row.strategy}, {rule}, {book}"
