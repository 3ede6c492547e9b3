"""The one staircase upward: results go to the owner of a payment through this port, inside the engine's transaction.

Acquiring registers its implementation in ``acquiring/apps.py``; a system check fails the start unless there is
exactly one (docs/decisions/0003).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.contracts import LateMoneyState


@dataclass(frozen=True, slots=True)
class OwnerState:
    """The locked owner: whether a success can still be taken, for which payment, and whether one was."""

    is_paying: bool
    payment_no: str | None
    merchant_no: str
    late_money_policy: str
    late_money_ask_minutes: int = 60
    is_paid: bool = False


class PaymentOwner(Protocol):
    """What owns a payment. Those named ``take_…`` are called outside a transaction, all others inside one (require)."""

    def take_success(self, *, attempt_no: str, charge: str, words: bytes) -> str | None:
        """Lock the owner, have ``engine_take_successes`` end its payment if that is plain, then end the owner (forbid).

        In a transaction of its own, which successes that other threads bring now may share, ``charge`` being the
        channel's number of it and ``words`` what that function is told. Returns the owner's number; None when nothing
        was written. Whatever it raises: nothing was written, or nobody knows.
        """

    def take_refund_success(self, *, refund_no: str, words: bytes) -> str | None:
        """Lock the owner, have ``engine_take_refund_success`` end the refund if that is plain, and count it (forbid).

        In a transaction of its own; ``words`` are what that function is told. Returns and raises as ``take_success``.
        """

    def lock_owner(self, *, order_no: str) -> OwnerState:
        """Lock the owner's row, the first lock of every money transaction, and tell how it stands."""

    def payment_succeeded(self, *, order_no: str, payment_no: str, cause: str) -> None:
        """The payment is PAID. Raises OwnerRefused when the owner cannot take it (a bug: it was locked)."""

    def payment_failed(
        self, *, order_no: str, payment_no: str, failure_code: str, counts_as_try: bool, cause: str
    ) -> None:
        """The payment is FAILED: certainly not charged. The owner rolls back, fails or finishes its close."""

    def refund_ended(
        self, *, order_no: str, refund_no: str, amount: int, succeeded: bool, cause: str
    ) -> None:
        """A refund that the owner has counted as on its way is done, or came to nothing; the amount in minor units.

        Raises OwnerRefused when the owner had not counted it (a bug: it was locked).
        """

    def late_money_pending(self, *, late_money: LateMoneyState) -> None:
        """Money came too late and the owner's merchant is to be asked; settled at ``respond_by`` without an answer."""

    def late_money_resolved(self, *, late_money: LateMoneyState) -> None:
        """Late money is REFUNDED or HONOURED; nothing of the owner itself changes."""

    def close_for_kept_money(self, *, order_no: str, cause: str) -> None:
        """Its merchant keeps late money: an owner that could still be paid takes no more; one that has ended stays."""

    def late_money_fee(self, *, order_no: str, amount: int, currency: str, method: str) -> int:
        """Return the merchant's fee in minor units for late money that is honoured; ``method`` is its payment's."""


class OwnerRefused(RuntimeError):
    """The owner did not accept a result although it was locked and PAYING: the transaction must roll back."""


_owners: list[PaymentOwner] = []


def register_payment_owner(owner: PaymentOwner) -> None:
    """Plug in the owner, once, at start-up."""
    _owners.append(owner)


def registered_owners() -> tuple[PaymentOwner, ...]:
    """All registered owners, for the system check."""
    return tuple(_owners)


def payment_owner() -> PaymentOwner:
    """Return the one registered owner."""
    (owner,) = _owners
    return owner
