"""What was decided for an order: which methods were offered and why not the others, and where its payments went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from acquiring import api as acquiring
from acquiring.contracts import Method
from checkout.catalogue import Verdict
from checkout.models import ConsultDecision, RouteDecision
from checkout.routing import Candidate, RouteFacts, choose_route
from checkout.services.route_books import get_route_book_version
from checkout.services.routing import Route, plan_route
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class ConsultAnswer:
    """One answer of consult that was kept."""

    at: datetime
    asked_by: str
    terminal: str
    locale: str
    catalogue_revision: int
    methods: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """One decision of routing that was kept; amounts in minor units."""

    at: datetime
    payment_no: str
    order_no: str
    merchant_no: str
    method: str
    amount: int
    currency: str
    book_version: int
    rule: str | None
    strategy: str
    candidates: tuple[Candidate, ...]
    facts: RouteFacts

    def is_confirmed_by_replay(self) -> bool:
        """Choose again from the facts that were kept, by the version that decided: the same must come out."""
        again = choose_route(self.facts, get_route_book_version(version=self.book_version))
        return again.candidates == self.candidates


def list_consult_answers(*, order_no: str) -> list[ConsultAnswer]:
    """Return what consult answered for an order, oldest first."""
    return [
        ConsultAnswer(
            at=row.created_at,
            asked_by=row.asked_by,
            terminal=row.terminal,
            locale=row.locale,
            catalogue_revision=row.catalogue_revision,
            methods=msgspec.convert(row.methods, tuple[Verdict, ...]),
        )
        for row in ConsultDecision.objects.filter(order_no=order_no).order_by("id")
    ]


def list_routes(*, number: str) -> list[RouteRecord]:
    """Return the routes of an order (``ord_…``) or of one payment (``pay_…``), oldest first.

    Raises NotFound for what is neither or has none: a payment from the balance alone needs no channel.
    """
    key = "payment_no" if numbers.is_number(number, numbers.PAYMENT) else "order_no"
    rows = RouteDecision.objects.filter(**{key: number}).order_by("payment_no")
    found = [_read(row) for row in rows]
    if not found:
        raise NotFound(f"No route was decided for {number}.")
    return found


@transactions.forbid
def try_route(
    *,
    merchant_no: str,
    method: str,
    currency: str,
    amount: int,
    terminal: str = "WEB",
    options: dict[str, str] | None = None,
    card_bin: str | None = None,
) -> Route:
    """Tell where such a payment would go now; nothing is kept (forbid). Raises NotFound for an unknown merchant."""
    acquiring.get_merchant_name(merchant_no=merchant_no)
    return plan_route(
        merchant_no=merchant_no,
        method=Method(method),
        currency=currency,
        amount=amount,
        seed=numbers.new_number(numbers.PAYMENT),
        terminal=terminal,
        options=options,
        card_bin=card_bin,
    )


def _read(row: RouteDecision) -> RouteRecord:
    return RouteRecord(
        at=row.created_at,
        payment_no=row.payment_no,
        order_no=row.order_no,
        merchant_no=row.merchant_no,
        method=row.method,
        amount=row.amount,
        currency=row.currency,
        book_version=row.book_version,
        rule=row.rule,
        strategy=row.strategy,
        candidates=msgspec.convert(row.candidates, tuple[Candidate, ...]),
        facts=msgspec.convert(row.facts, RouteFacts),
    )
