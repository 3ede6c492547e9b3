"""The catalogue of methods 支付方式目录: what each needs, why an order cannot use one, and which comes first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from acquiring.contracts import Method, OrderStatus

_LAST: Final = 2**31
_RATE_STEP: Final = 50_000
"""Success rates are compared in steps of five per cent: chance alone must not move a method."""


class AmountLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Least and most of one payment in one currency, in minor units, both included."""

    min: int | None = None
    max: int | None = None


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time of the day by the business time zone, ``HH:MM``; from the start on, before the end; may cross midnight."""

    start: str
    end: str

    def holds(self, clock: str) -> bool:
        """Tell whether ``HH:MM`` is within."""
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """A row of the catalogue. None means: no such limit. ``options`` are banks or wallets, in their order."""

    code: Method
    position: int
    is_on: bool
    flow: str
    name_en: str
    name_zh: str
    currencies: tuple[str, ...] | None = None
    amount_limits: Mapping[str, AmountLimits] = field(default_factory=dict)
    terminals: tuple[str, ...] | None = None
    locales: tuple[str, ...] | None = None
    hours: tuple[Hours, ...] | None = None
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MerchantChoice:
    """What is different for one merchant: whether it wants the method, and how early (1 is first)."""

    is_on: bool = True
    preference: int | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All methods in their order, and what merchants have chosen; ``revision`` names its content."""

    revision: int
    methods: tuple[MethodEntry, ...]
    choices: Mapping[str, Mapping[str, MerchantChoice]] = field(default_factory=dict)

    def find_method(self, code: str) -> MethodEntry | None:
        """Return a method's row."""
        return next((row for row in self.methods if row.code == code), None)

    def find_choice(self, merchant_no: str, code: str) -> MerchantChoice:
        """Return what this merchant wants of a method."""
        return self.choices.get(merchant_no, {}).get(code, MerchantChoice())


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known of the payment that a method is to carry. None: not known, so it refuses nothing.

    ``clock`` is ``HH:MM`` by the business time zone.
    """

    merchant_no: str
    currency: str
    amount: int | None = None
    terminal: str | None = None
    locale: str | None = None
    clock: str | None = None
    allowed_methods: Sequence[str] | None = None
    status: OrderStatus | None = None
    closing: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What routing says of a method: why no channel takes it (None: one does), and the figures of the first channel."""

    hindrance: str | None = None
    success_ppm: int | None = None
    cost_amount: int | None = None


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What consult decided of one method; ``reason_code`` says why it is not offered.

    The rest says why it stands where it stands: the payer used it last, the merchant's preference, success rate in
    millionths, expected cost in minor units, place in the catalogue; in this order they were compared.
    """

    method: Method
    rank: int
    reason_code: str | None = None
    is_last_used: bool = False
    preference: int | None = None
    success_ppm: int | None = None
    cost_amount: int | None = None
    position: int = 0

    @property
    def is_offered(self) -> bool:
        """Whether the payer may choose it."""
        return self.reason_code is None


def find_hindrance(row: MethodEntry | None, wish: Wish, catalogue: Catalogue) -> str | None:
    """Return why the wish cannot use this method, one of REFUSALS; None when nothing of the catalogue is against it."""
    if row is None or not row.is_on:
        return "switched_off"
    if wish.status is not None and wish.status not in {OrderStatus.INIT, OrderStatus.PAYING}:
        return "order_not_payable"
    if wish.closing:
        return "order_closing"
    if wish.allowed_methods is not None and row.code not in wish.allowed_methods:
        return "not_allowed_by_merchant"
    if not catalogue.find_choice(wish.merchant_no, row.code).is_on:
        return "switched_off_for_merchant"
    if row.currencies is not None and wish.currency not in row.currencies:
        return "currency_unsupported"
    return _find_misfit(row, wish)


def _find_misfit(row: MethodEntry, wish: Wish) -> str | None:
    limits = row.amount_limits.get(wish.currency, AmountLimits())
    if wish.amount is not None and limits.min is not None and wish.amount < limits.min:
        return "amount_under_limit"
    if wish.amount is not None and limits.max is not None and wish.amount > limits.max:
        return "amount_over_limit"
    if (
        wish.terminal is not None
        and row.terminals is not None
        and wish.terminal not in row.terminals
    ):
        return "terminal_unsupported"
    if wish.locale is not None and row.locales is not None:
        language = wish.locale.lower()
        if not any(language.startswith(known) for known in row.locales):
            return "locale_unsupported"
    if wish.clock is not None and row.hours is not None:
        clock = wish.clock
        if not any(hours.holds(clock) for hours in row.hours):
            return "outside_hours"
    return None


def rank_methods(
    *,
    catalogue: Catalogue,
    merchant_no: str,
    reasons: Mapping[Method, str | None],
    standings: Mapping[Method, Standing],
    last_used: str | None,
) -> tuple[Verdict, ...]:
    """Put every method in order, the offered ones first; the same input always gives the same order.

    Compared are, one after the other: the payer's last use, the merchant's preference (those without come after),
    the success rate (unknown counts as good), the expected cost (unknown counts as nothing), the catalogue's order.
    """
    rows = []
    for row in catalogue.methods:
        standing = standings.get(row.code, Standing())
        verdict = Verdict(
            method=row.code,
            rank=0,
            reason_code=reasons[row.code],
            is_last_used=row.code == last_used,
            preference=catalogue.find_choice(merchant_no, row.code).preference,
            success_ppm=standing.success_ppm,
            cost_amount=standing.cost_amount,
            position=row.position,
        )
        rows.append(verdict)
    rows.sort(key=_sort_key)
    return tuple(msgspec.structs.replace(row, rank=n) for n, row in enumerate(rows, start=1))


def _sort_key(row: Verdict) -> tuple[bool, bool, int, int, int, int, str]:
    rate = 1_000_000 if row.success_ppm is None else row.success_ppm
    return (
        not row.is_offered,
        not row.is_last_used,
        _LAST if row.preference is None else row.preference,
        -(rate // _RATE_STEP),
        row.cost_amount or 0,
        row.position,
        row.method,
    )
