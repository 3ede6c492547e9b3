"""What a payment costs its merchant under a fee contract 费率合同. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from paymentplatform.kernel.money import is_currency, share_half_up

MAX_RATE_PPM = 1_000_000
MAX_TERMS = 100


class FeeTerm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A price that differs from the contract's own: for one method, one currency, or one method in one currency.

    ``minimum`` and ``maximum`` (none when null) are minor units of ``currency``, which they therefore need.
    """

    rate_ppm: Annotated[int, msgspec.Meta(ge=0, le=MAX_RATE_PPM)]
    method: str | None = None
    currency: str | None = None
    minimum: Annotated[int, msgspec.Meta(ge=0)] = 0
    maximum: Annotated[int, msgspec.Meta(ge=0)] | None = None


_DECODER = msgspec.json.Decoder(tuple[FeeTerm, ...])


def decode_terms(text: str | bytes | None) -> tuple[FeeTerm, ...]:
    """Read the terms as they are stored; none for a contract that has but its rate."""
    return _DECODER.decode(text) if text else ()


def find_term_faults(terms: Iterable[FeeTerm], *, methods: Iterable[str]) -> list[str]:
    """Say what is wrong with terms; nothing when they can be agreed."""
    terms, known = tuple(terms), set(methods)
    faults = [
        f"{term.method} is no payment method" for term in terms if term.method not in {None, *known}
    ]
    for term in terms:
        if term.currency is not None and not is_currency(term.currency):
            faults.append(f"{term.currency} is no currency of this platform")
        if term.currency is None and (term.minimum or term.maximum is not None):
            faults.append("a minimum or maximum needs its currency")
        if term.maximum is not None and term.maximum < term.minimum:
            faults.append(f"the maximum {term.maximum} is below the minimum {term.minimum}")
        if term.method is None and term.currency is None:
            faults.append("a term names a method, a currency or both")
    if len({(term.method, term.currency) for term in terms}) < len(terms):
        faults.append("two terms are for the same method and currency")
    if len(terms) > MAX_TERMS:
        faults.append(f"there are more than {MAX_TERMS} terms")
    return faults


def calculate_contract_fee(
    *, amount: int, currency: str, method: str, rate_ppm: int, terms: str | bytes | None
) -> int:
    """Return the fee in minor units: rate half up, then minimum and maximum, and never more than the amount.

    The term of the method in the currency goes before that of the method, that before the currency's, that before
    the contract's own rate. ``terms`` is the stored JSON.
    """
    if not terms:
        return min(amount, share_half_up(amount, rate_ppm))
    term = _choose(decode_terms(terms), method=method, currency=currency)
    if term is None:
        return min(amount, share_half_up(amount, rate_ppm))
    fee = max(share_half_up(amount, term.rate_ppm), term.minimum)
    if term.maximum is not None:
        fee = min(fee, term.maximum)
    return min(amount, fee)


def _choose(terms: tuple[FeeTerm, ...], *, method: str, currency: str) -> FeeTerm | None:
    by_scope = {(term.method, term.currency): term for term in terms}
    for scope in ((method, currency), (method, None), (None, currency)):
        if scope in by_scope:
            return by_scope[scope]
    return None
