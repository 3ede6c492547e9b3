"""How a refund goes back: which asset gives which part, and how much fee returns with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefundableAsset:
    """One DONE detail of a payment and what is neither refunded nor on its way yet."""

    detail_no: str
    channel_code: str | None
    left: int


@dataclass(frozen=True, slots=True)
class RefundPart:
    """What one detail gives to a refund; ``channel_code`` None is the payer's balance."""

    detail_no: str
    channel_code: str | None
    amount: int


def split_refund(*, amount: int, assets: Sequence[RefundableAsset]) -> tuple[RefundPart, ...]:
    """Split a refund over the assets of its payment: the external one first, then the balance.

    Raises ValueError when they have not that much left (the owner's counters have let too much through: a bug).
    """
    parts, missing = [], amount
    for asset in sorted(assets, key=lambda one: one.channel_code is None):
        part = min(missing, asset.left)
        if part > 0:
            parts.append(RefundPart(asset.detail_no, asset.channel_code, part))
            missing -= part
    if missing or not parts:
        message = f"{missing} of {amount} cannot be refunded from {list(assets)}"
        raise ValueError(message)
    return tuple(parts)


def share_returned_fee(*, fee: int, paid: int, fee_left: int, paid_left: int, amount: int) -> int:
    """Return the part of the fee that goes back with ``amount``: pro rata, half up; the last refund takes the rest.

    ``fee_left`` and ``paid_left`` are what earlier refunds (done or on their way) have left of ``fee`` and ``paid``.
    Never more than is left, never more than the refund itself, and never so little that the fee left could not be
    returned with what is left to refund: so refunds that add up to the whole payment always return the whole fee.
    """
    pro_rata = (2 * fee * amount + paid) // (2 * paid)
    return min(fee_left, max(pro_rata, fee_left - (paid_left - amount)))
