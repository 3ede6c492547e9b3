"""Routing 路由: from what is known of a payment and a route book to an order of channels. Pure, so it can be replayed.

Every channel gets its reason, chosen or not. The same facts and the same book always give the same choice: what looks
like chance (weights, probes of a channel that recovers) is drawn from ``RouteFacts.seed``, the payment's number.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final

import msgspec

from acquiring.contracts import Method
from checkout.route_book import ChannelShare, RouteBook, RouteCondition, RouteUse, Strategy
from engine.contracts import BreakerState, ChannelFacts
from paymentplatform.kernel.money import share_half_up

PROBE_ONE_IN: Final = 10
"""Of so many payments one goes first to a channel whose breaker is HALF_OPEN; for the others it comes last."""

_EVEN: Final = 1_000_000
_UNKNOWN_RATE: Final = _EVEN
"""A channel of which too little is known counts as good: without payments it would never become known."""
_RATE_STEP: Final = 10_000
"""Success rates are compared in steps of one per cent: chance alone must not change the order."""

UNFIT: Final[dict[str, str]] = {
    "method_not_supported": "The channel does not take the method.",
    "option_not_supported": "The channel does not know the bank or wallet that was chosen.",
    "cannot_challenge": "Risk asks for 3-D Secure, and the channel cannot be told to do so.",
    "not_the_cards_channel": "The saved card belongs to another channel.",
    "disabled": "An operator disabled it.",
    "in_maintenance": "A maintenance window is on.",
    "breaker_open": "Its circuit breaker is open: it gave no usable answers lately.",
    "over_exposure_limit": "Too much money is unknown there: CHANNEL_EXPOSURE_LIMIT.",
    "not_in_rule": "The rule names other channels only.",
}
"""Why a channel was not a candidate."""

CHOSEN: Final[dict[str, str]] = {
    "first": "The payment goes there.",
    "probe": "The payment goes there, to see whether the channel has recovered.",
    "fallback": "The payment goes there when those before it certainly did not take it.",
}
"""Why a channel was one."""

ROUTE_REASONS: Final[dict[str, str]] = CHOSEN | UNFIT
"""The closed list of reasons in stored decisions."""


class RouteFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a choice may look at. ``amount`` is what the channel is to collect, in minor units.

    ``card_channel`` is the channel that a saved card belongs to; ``card_bin`` its first digits, if known.
    ``must_challenge``: the channel must be one that can be told to ask for 3-D Secure.
    """

    merchant_no: str
    method: Method
    currency: str
    amount: int
    seed: str
    channels: tuple[ChannelFacts, ...]
    terminal: str = "WEB"
    bank_code: str | None = None
    wallet_code: str | None = None
    card_bin: str | None = None
    card_channel: str | None = None
    must_challenge: bool = False


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One channel of a decision; ``place`` 1 is asked first, None never. ``reason`` is one of ROUTE_REASONS.

    The figures are those that could have counted: expected cost in minor units, success rate in millionths, weight.
    """

    channel: str
    reason: str
    place: int | None = None
    cost_amount: int | None = None
    success_ppm: int | None = None
    weight: int | None = None


class RouteChoice(msgspec.Struct, frozen=True):
    """What was decided: ``rule`` is None where ``otherwise`` decided. Candidates in their order, then the others."""

    rule: str | None
    strategy: Strategy
    candidates: tuple[Candidate, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The channels in the order in which they may be tried."""
        return tuple(row.channel for row in self.candidates if row.place is not None)


def choose_route(facts: RouteFacts, book: RouteBook) -> RouteChoice:
    """Choose: eligibility, then the first matching rule, then its strategy, then probes."""
    rule = next((rule for rule in book.rules if matches(rule.when, facts)), None)
    use = rule.use if rule is not None else book.otherwise
    shares = {share.channel: share for share in use.channels}
    unfit = {row.code: reason for row in facts.channels if (reason := _find_unfit(row, facts, use))}
    fit = [row for row in facts.channels if row.code not in unfit]
    ordered = _order_channels(fit, facts, book, use)
    ordered, probed = _place_recovering(ordered, facts)
    rows = []
    for place, row in enumerate(ordered, start=1):
        reason = "fallback" if place > 1 else "probe" if row is probed else "first"
        rows.append(_describe(row, facts, book, shares, reason=reason, place=place))
    rows += [
        _describe(row, facts, book, shares, reason=unfit[row.code], place=None)
        for row in facts.channels
        if row.code in unfit
    ]
    return RouteChoice(
        rule=rule.name if rule is not None else None,
        strategy=use.strategy,
        candidates=tuple(rows),
    )


def matches(when: RouteCondition, facts: RouteFacts) -> bool:
    """Tell whether a condition holds; a fact that is not known matches nothing that asks for it."""
    return (
        _is_in(facts.merchant_no, when.merchants)
        and _is_in(facts.method, when.methods)
        and _is_in(facts.currency, when.currencies)
        and _is_in(facts.terminal, when.terminals)
        and _is_in(facts.bank_code, when.banks)
        and _is_in(facts.wallet_code, when.wallets)
        and (when.min_amount is None or facts.amount >= when.min_amount)
        and (when.max_amount is None or facts.amount <= when.max_amount)
        and (
            when.bins is None
            or (facts.card_bin is not None and facts.card_bin.startswith(when.bins))
        )
    )


def find_cost(
    book: RouteBook, *, channel: str, method: str, currency: str, amount: int
) -> int | None:
    """Return what the channel is expected to take for this amount, in minor units; None when the book does not say."""
    for cost in book.costs:
        if (
            cost.channel == channel
            and cost.method in {None, method}
            and cost.currency in {None, currency}
        ):
            return share_half_up(amount, cost.rate_ppm) + cost.fixed_amount
    return None


def _is_in(value: str | None, wanted: tuple[str, ...] | None) -> bool:
    return wanted is None or value in wanted


def _find_unfit(row: ChannelFacts, facts: RouteFacts, use: RouteUse) -> str | None:
    chosen = facts.bank_code or facts.wallet_code
    reasons = (
        ("method_not_supported", not row.takes_method),
        ("option_not_supported", chosen is not None and chosen not in row.options),
        ("not_the_cards_channel", facts.card_channel not in {None, row.code}),
        ("cannot_challenge", facts.must_challenge and not row.can_challenge),
        ("not_in_rule", use.only and row.code not in {share.channel for share in use.channels}),
        ("disabled", row.is_disabled),
        ("in_maintenance", row.in_maintenance),
        ("breaker_open", row.breaker == BreakerState.OPEN),
        ("over_exposure_limit", row.is_over_limit),
    )
    return next((reason for reason, holds in reasons if holds), None)


def _order_channels(
    fit: list[ChannelFacts], facts: RouteFacts, book: RouteBook, use: RouteUse
) -> list[ChannelFacts]:
    """Sort the listed channels by the strategy, the others behind them; equals stay in the order of the list."""
    listed = [share.channel for share in use.channels] or [row.code for row in fit]
    shares = {share.channel: share for share in use.channels}
    configured = {row.code: n for n, row in enumerate(facts.channels)}

    def place(row: ChannelFacts) -> tuple[bool, float, int]:
        if row.code not in listed:
            return True, 0.0, configured[row.code]
        return False, _weigh(row, facts, book, use.strategy, shares), listed.index(row.code)

    return sorted(fit, key=place)


def _weigh(
    row: ChannelFacts,
    facts: RouteFacts,
    book: RouteBook,
    strategy: Strategy,
    shares: dict[str, ChannelShare],
) -> float:
    """Return what the strategy sorts by, the least first."""
    if strategy == Strategy.COST:
        cost = _cost_of(row, facts, book)
        return math.inf if cost is None else cost
    if strategy == Strategy.SUCCESS_RATE:
        rate = _UNKNOWN_RATE if row.success_ppm is None else row.success_ppm
        return -(rate // _RATE_STEP)
    if strategy == Strategy.WEIGHTS:
        weight = shares[row.code].weight
        # The least of exponential draws falls on each channel as often as its weight says, and so do the next ones.
        return -math.log(_draw(facts.seed, row.code)) / weight if weight else math.inf
    return 0.0


def _place_recovering(
    ordered: list[ChannelFacts], facts: RouteFacts
) -> tuple[list[ChannelFacts], ChannelFacts | None]:
    """Put channels that recover last, or one of them first when it is this payment's turn to see."""
    well = [row for row in ordered if row.breaker != BreakerState.HALF_OPEN]
    recovering = [row for row in ordered if row.breaker == BreakerState.HALF_OPEN]
    if recovering and (not well or _draw(facts.seed, "probe") <= 1 / PROBE_ONE_IN):
        return [recovering[0], *well, *recovering[1:]], recovering[0]
    return [*well, *recovering], None


def _draw(seed: str, purpose: str) -> float:
    """Draw from (0, 1]: always the same for the same payment and purpose."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return (int.from_bytes(digest[:6]) + 1) / 2**48


def _cost_of(row: ChannelFacts, facts: RouteFacts, book: RouteBook) -> int | None:
    return find_cost(
        book,
        channel=row.code,
        method=facts.method,
        currency=facts.currency,
        amount=facts.amount,
    )


def _describe(
    row: ChannelFacts,
    facts: RouteFacts,
    book: RouteBook,
    shares: dict[str, ChannelShare],
    *,
    reason: str,
    place: int | None,
) -> Candidate:
    return Candidate(
        channel=row.code,
        reason=reason,
        place=place,
        cost_amount=_cost_of(row, facts, book),
        success_ppm=row.success_ppm,
        weight=shares[row.code].weight if row.code in shares else None,
    )
