"""What a part of a settlement batch releases of each item. Pure.

An item of a payment releases what the payment's claim (amount − fee − refunds out of pending money + the fee that came
back with them) is more than was released of it before. A refund that failed after the release lets the rest go with an
item of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemClaim:
    """One due item and what its payment claims now; amounts in minor units.

    ``released`` went with earlier items of the same payment; ``was_released`` tells whether its payment's item is one.
    """

    journal_no: str
    kind: str
    payment_no: str | None
    amount: int
    fee: int
    refunded: int
    returned_fee: int
    released: int
    was_released: bool

    @property
    def entitlement(self) -> int:
        """All that the merchant may have of it, released or not."""
        return self.amount - self.fee - self.refunded + self.returned_fee


@dataclass(frozen=True, slots=True)
class ItemRelease:
    """What an item releases; negative where refunds took more than the payment had left (a fee that was kept)."""

    journal_no: str
    amount: int
    refunded: int
    returned_fee: int


_OF_PAYMENT = frozenset({"PAYMENT", "REFUND_FAILED"})


def plan_release(claims: Sequence[ItemClaim]) -> list[ItemRelease]:
    """Say what each item releases, oldest first; an item that is not there stays pending.

    The whole is never below zero: negative items are netted as far as the others reach, the rest waits for more. A
    failed refund waits for its payment's item.
    """
    planned: list[ItemRelease] = []
    given: dict[str, int] = {}
    for claim in claims:
        payment_no = claim.payment_no or ""
        is_first = payment_no not in given
        if claim.kind == "REFUND_FAILED" and is_first and not claim.was_released:
            continue
        before = 0
        if claim.kind in _OF_PAYMENT:
            before = given.get(payment_no, claim.released)
            given[payment_no] = claim.entitlement
        planned.append(
            ItemRelease(
                claim.journal_no, claim.entitlement - before, claim.refunded, claim.returned_fee
            )
        )
    return _net(planned)


def _net(planned: list[ItemRelease]) -> list[ItemRelease]:
    room = sum(one.amount for one in planned if one.amount > 0)
    kept = []
    for one in planned:
        if one.amount < 0:
            if room + one.amount < 0:
                continue
            room += one.amount
        kept.append(one)
    return kept
