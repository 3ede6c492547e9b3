"""What crosses the engine's wall: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.channels.base import Capability, Outcome
from paymentplatform.kernel.errors import Conflict


class PaymentStatus(StrEnum):
    """States of a payment order 支付总单; PAID and FAILED are terminal."""

    INIT = "INIT"
    PAYING = "PAYING"
    PAID = "PAID"
    FAILED = "FAILED"


class Cause(StrEnum):
    """Where a move came from; stored with every event row."""

    API = "api"
    CASHIER = "cashier"
    SYNC_ANSWER = "sync_answer"
    CALLBACK = "callback"
    INQUIRY = "inquiry"
    CLOSE = "close"
    EXPIRY = "expiry"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment through a channel that the owner has accepted; amounts in minor units.

    ``candidates`` are channel codes in the order they may be tried. ``expires_at`` is the owner's own deadline.
    """

    payment_no: str
    order_no: str
    merchant_no: str
    method: str
    amount: int
    currency: str
    fee_amount: int
    options_digest: str
    candidates: tuple[str, ...]
    subject: str
    expires_at: datetime
    return_url: str
    options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PaymentProgress:
    """How a payment stands, and what its payer has to do next (None when there is nothing to do)."""

    payment_no: str
    order_no: str
    status: PaymentStatus
    method: str
    failure_code: str | None
    options_digest: str
    action: Mapping[str, str] | None = None

    @property
    def is_live(self) -> bool:
        """Whether money may still move through it."""
        return self.status in {PaymentStatus.INIT, PaymentStatus.PAYING}


class NoChannel(Conflict):
    """No channel offers this method for this payment now."""

    code = "no_channel"
    title = "No channel can take this payment now"


__all__ = [
    "Capability",
    "Cause",
    "NewPayment",
    "NoChannel",
    "Outcome",
    "PaymentProgress",
    "PaymentStatus",
]
