"""The route book 路由规则: which channels a payment may use and in which order, as a document. Pure.

Rules are asked from the top; the first that matches decides, ``otherwise`` decides for the rest. A document is never
changed: a new one takes its place, so that every stored decision can name the version that made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from acquiring.contracts import Method
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.field_errors import build_field_error
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency

MAX_RULES: Final = 500
_MILLION: Final = 1_000_000

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}\Z")]
Code = Annotated[str, Meta(min_length=1, max_length=64)]
Codes = Annotated[tuple[Code, ...], Meta(min_length=1, max_length=1000)]
Amount = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Bin = Annotated[str, Meta(pattern=r"^[0-9]{4,8}\Z")]


class Strategy(StrEnum):
    """How the channels of a rule are put in order.

    ORDER: as they are listed. WEIGHTS: by lot, each as often as its weight says. COST: the cheapest first.
    SUCCESS_RATE: the one that succeeded most often lately first.
    """

    ORDER = "ORDER"
    WEIGHTS = "WEIGHTS"
    COST = "COST"
    SUCCESS_RATE = "SUCCESS_RATE"


class RouteCondition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What must be true of a payment for a rule to match; what is left out does not matter.

    Amounts are what the channel is to collect, in minor units, both ends included: they need one currency. ``bins``
    are the first digits of a card: known where the merchant told them with the payment (``options.card_bin``).
    """

    merchants: Codes | None = None
    methods: Annotated[tuple[Method, ...], Meta(min_length=1)] | None = None
    currencies: Codes | None = None
    min_amount: Amount | None = None
    max_amount: Amount | None = None
    banks: Codes | None = None
    wallets: Codes | None = None
    bins: Annotated[tuple[Bin, ...], Meta(min_length=1, max_length=1000)] | None = None
    terminals: Codes | None = None


class ChannelShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A channel of a rule. ``weight`` counts for WEIGHTS alone; 0 is never drawn, only fallen back to."""

    channel: Code
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class RouteUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which channels, in which order. Without ``channels``: all, in the order of the setting CHANNELS.

    Channels that are not listed follow after those that are, unless ``only`` keeps them out.
    """

    strategy: Strategy = Strategy.ORDER
    channels: Annotated[tuple[ChannelShare, ...], Meta(max_length=100)] = ()
    only: bool = False


class RouteRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule."""

    name: Name
    when: RouteCondition = RouteCondition()
    use: RouteUse = RouteUse()


class ChannelCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a channel takes for one payment: a share in millionths and so many minor units; the first match counts."""

    channel: Code
    method: Method | None = None
    currency: Code | None = None
    rate_ppm: Annotated[int, Meta(ge=0, le=_MILLION)] = 0
    fixed_amount: Amount = 0


class RouteBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole document; an empty one means: every channel, in configured order."""

    rules: Annotated[tuple[RouteRule, ...], Meta(max_length=MAX_RULES)] = ()
    otherwise: RouteUse = RouteUse()
    costs: Annotated[tuple[ChannelCost, ...], Meta(max_length=1000)] = ()


def parse_route_book(document: Any, *, channels: Collection[str] | None = None) -> RouteBook:
    """Read a document (parsed JSON or YAML). Raises InvalidRequest that names every fault it can find.

    ``channels`` are the codes that exist; None does not ask, for drafts about channels that are yet to come.
    """
    try:
        book = msgspec.convert(document, RouteBook)
    except msgspec.ValidationError as error:
        fault = build_field_error("", error)
        raise InvalidRequest(f"{fault.field}: {fault.detail}", errors=(fault,)) from None
    faults = [*_find_faults(book), *(_find_strangers(book, channels) if channels else ())]
    if faults:
        raise InvalidRequest(
            "; ".join(f"{f.field}: {f.detail}" for f in faults), errors=tuple(faults)
        )
    return book


def digest_route_book(book: RouteBook) -> str:
    """Name the content of a book: the same content, the same name."""
    return hashlib.sha256(msgspec.json.encode(book)).hexdigest()


def _find_faults(book: RouteBook) -> Iterator[FieldError]:
    seen: set[str] = set()
    for n, rule in enumerate(book.rules):
        at = f"rules[{n}]"
        if rule.name in seen:
            yield FieldError(f"{at}.name", "conflict", f"{rule.name} is the name of another rule")
        seen.add(rule.name)
        yield from _find_faults_of(rule.when, f"{at}.when")
        yield from _find_faulty_use(rule.use, f"{at}.use")
    yield from _find_faulty_use(book.otherwise, "otherwise")
    for n, cost in enumerate(book.costs):
        at = f"costs[{n}]"
        if cost.method == Method.BALANCE:
            yield FieldError(f"{at}.method", "conflict", "the balance uses no channel")
        if cost.currency is not None and not is_currency(cost.currency):
            yield FieldError(f"{at}.currency", "unknown_value", f"{cost.currency} is not enabled")
        if cost.fixed_amount and cost.currency is None:
            yield FieldError(f"{at}.currency", "required", "a fixed amount needs its currency")


def _find_faults_of(when: RouteCondition, at: str) -> Iterator[FieldError]:
    if when.methods is not None and Method.BALANCE in when.methods:
        yield FieldError(f"{at}.methods", "conflict", "the balance uses no channel")
    for currency in when.currencies or ():
        if not is_currency(currency):
            yield FieldError(f"{at}.currencies", "unknown_value", f"{currency} is not enabled")
    low, high = when.min_amount, when.max_amount
    if low is not None and high is not None and low > high:
        yield FieldError(f"{at}.max_amount", "range", "max_amount is less than min_amount")
    if (low is not None or high is not None) and len(when.currencies or ()) != 1:
        yield FieldError(f"{at}.currencies", "required", "amounts need exactly one currency")


def _find_faulty_use(use: RouteUse, at: str) -> Iterator[FieldError]:
    codes = [share.channel for share in use.channels]
    if len(set(codes)) != len(codes):
        yield FieldError(f"{at}.channels", "conflict", "a channel is listed twice")
    if use.only and not codes:
        yield FieldError(f"{at}.channels", "required", "only needs channels")
    if use.strategy == Strategy.WEIGHTS and not any(share.weight for share in use.channels):
        yield FieldError(f"{at}.channels", "required", "WEIGHTS needs a channel with a weight")


def _find_strangers(book: RouteBook, channels: Collection[str]) -> Iterator[FieldError]:
    named = [(f"rules[{n}].use.channels", rule.use) for n, rule in enumerate(book.rules)]
    for at, use in [*named, ("otherwise.channels", book.otherwise)]:
        for share in use.channels:
            if share.channel not in channels:
                yield FieldError(at, "unknown_value", f"there is no channel {share.channel}")
    for n, cost in enumerate(book.costs):
        if cost.channel not in channels:
            at = f"costs[{n}].channel"
            yield FieldError(at, "unknown_value", f"there is no channel {cost.channel}")
