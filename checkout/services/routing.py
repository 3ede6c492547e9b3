"""Where a payment goes: gathers the facts, asks the pure choice, and keeps what was decided with the payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from acquiring.contracts import Method
from checkout.contracts import MethodUnavailable
from checkout.models import RouteDecision
from checkout.routing import RouteChoice, RouteFacts, choose_route
from checkout.services.route_books import get_route_book
from engine import api as engine
from engine.contracts import Capability
from paymentplatform.kernel import transactions


@dataclass(frozen=True, slots=True)
class Route:
    """A choice with what it was made from."""

    facts: RouteFacts
    book_version: int
    choice: RouteChoice

    @property
    def candidates(self) -> tuple[str, ...]:
        """The channels in the order in which they may be tried; none: nobody can take the payment now."""
        return self.choice.codes


@transactions.forbid
def plan_route(
    *,
    merchant_no: str,
    method: Method,
    currency: str,
    amount: int,
    seed: str = "",
    terminal: str = "WEB",
    options: Mapping[str, str] | None = None,
    card_bin: str | None = None,
) -> Route:
    """Choose channels for what a channel is to collect, in minor units (forbid: reads only, nothing is promised).

    ``options`` are those of the payment, ``card_bin`` the first digits of its card, if known. ``seed`` is the payment's
    number; without one it is advice.
    """
    given = options or {}
    standing = get_route_book()
    facts = RouteFacts(
        merchant_no=merchant_no,
        method=method,
        currency=currency,
        amount=amount,
        seed=seed,
        channels=engine.list_channel_facts(method=Capability(method), currency=currency),
        terminal=terminal,
        bank_code=given.get("bank_code"),
        wallet_code=given.get("wallet_code"),
        card_bin=card_bin,
        card_channel=engine.find_card_channel(
            card_token=given.get("card_token"), merchant_no=merchant_no
        ),
        must_challenge=engine.DEMANDS_CHALLENGE.items() <= given.items(),
    )
    return Route(facts, standing.version, choose_route(facts, standing.book))


def find_route_hindrance(route: Route) -> str | None:
    """Return why no channel takes the payment, one of REFUSALS; None when one does."""
    if route.candidates:
        return None
    if any(channel.takes_method for channel in route.facts.channels):
        return "channel_unavailable"
    return "no_channel"


def refuse_unroutable(route: Route) -> None:
    """Raise MethodUnavailable when no channel takes the payment."""
    hindrance = find_route_hindrance(route)
    if hindrance is not None:
        raise MethodUnavailable(f"{route.facts.method} is not offered for this order: {hindrance}.")


@transactions.require
def record_route(route: Route, *, new: engine.NewPayment) -> None:
    """Keep the decision in the transaction that accepts the payment (require)."""
    RouteDecision.objects.create(
        payment_no=new.payment_no,
        order_no=new.order_no,
        merchant_no=new.merchant_no,
        payer_ref=new.payer_ref,
        method=new.method,
        amount=route.facts.amount,
        currency=new.currency,
        book_version=route.book_version,
        rule=route.choice.rule,
        strategy=route.choice.strategy,
        channel_code=route.candidates[0],
        facts=msgspec.to_builtins(route.facts),
        candidates=msgspec.to_builtins(route.choice.candidates),
    )
