"""Asset exchange 资产交换: which of the payer's assets become the merchant's claim. Pure.

A plan has internal legs (a payer's balance, held until the payment ends) and at most ONE external leg (what one
channel collects). Two external legs could each end differently, and no compensation is certain at an institution;
an internal leg can always be given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InternalAsset:
    """A payer's balance as a source: at most ``spendable`` minor units may come out of it for this payment."""

    payer_no: str
    spendable: int


@dataclass(frozen=True, slots=True)
class InternalLeg:
    """Minor units that come out of a payer's balance."""

    payer_no: str
    amount: int


@dataclass(frozen=True, slots=True)
class ExternalLeg:
    """Minor units that a channel of this method collects."""

    method: str
    amount: int


class ImpossibleExchange(ValueError):
    """No plan makes this amount out of these assets, or a plan breaks its own rules: never a payer's mistake."""


class PlanOutdated(RuntimeError):
    """The assets have changed since the plan was made; nothing was written. Look again and plan anew."""


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """The legs of one payment: all positive, together exactly its amount, internal ones of one payer.

    ``is_exact`` says that the internal amounts were asked for as they are: when the payer has less, the payment
    fails. Otherwise they were read from a balance, and the plan is only outdated (``PlanOutdated``).
    """

    amount: int
    internal: tuple[InternalLeg, ...]
    external: ExternalLeg | None
    is_exact: bool = False

    def __post_init__(self) -> None:
        """Refuse a plan that would create, lose or mix up money. Raises ImpossibleExchange."""
        amounts = [leg.amount for leg in self.internal]
        if self.external is not None:
            amounts.append(self.external.amount)
        if not amounts or min(amounts) < 1 or sum(amounts) != self.amount:
            message = f"legs {amounts} are not the amount {self.amount}"
            raise ImpossibleExchange(message)
        if len({leg.payer_no for leg in self.internal}) != min(1, len(self.internal)):
            message = "a payment has one payer"
            raise ImpossibleExchange(message)

    @property
    def payer_no(self) -> str | None:
        """Whose balance it takes from, None when it takes from none."""
        return self.internal[0].payer_no if self.internal else None

    @property
    def internal_amount(self) -> int:
        """What comes out of the balance."""
        return sum(leg.amount for leg in self.internal)


def plan_exchange(
    *,
    amount: int,
    assets: Sequence[InternalAsset],
    external_method: str | None,
    is_exact: bool = False,
) -> ExchangePlan:
    """Take what the internal assets may give, in their order, and leave the rest to the external method.

    The same arguments always make the same plan; assets that give nothing get no leg. Raises ImpossibleExchange
    when the assets are not enough and there is no external method.
    """
    left = amount
    internal = []
    for asset in assets:
        part = min(asset.spendable, left)
        if part > 0:
            internal.append(InternalLeg(asset.payer_no, part))
            left -= part
    if left and external_method is None:
        message = f"{left} of {amount} is left, and no method to collect it"
        raise ImpossibleExchange(message)
    external = ExternalLeg(external_method, left) if left and external_method is not None else None
    return ExchangePlan(amount, tuple(internal), external, is_exact)
