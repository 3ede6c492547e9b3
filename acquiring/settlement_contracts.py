"""What settlement, payouts and fee contracts say to other floors: frozen data, named refusals. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from acquiring.fee_terms import FeeTerm
from paymentplatform.kernel.errors import Conflict


class PayoutStatus(StrEnum):
    """States of a payout 出款; the last three are terminal."""

    CREATED = "CREATED"
    PROPOSED = "PROPOSED"
    SENT = "SENT"
    PAID = "PAID"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What one run has released for one merchant and currency (or would release: without a number)."""

    batch_no: str | None
    merchant_no: str
    currency: str
    items: int
    released: int


@dataclass(frozen=True, slots=True)
class PayoutView:
    """One payout as it stands; the amount in minor units."""

    payout_no: str
    merchant_no: str
    currency: str
    amount: int
    status: PayoutStatus
    bank_reference: str | None
    failure_code: str | None
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettlementFailure:
    """A merchant that could not be settled; nothing of the part that failed was written."""

    merchant_no: str
    currency: str
    problem: str


@dataclass(slots=True)
class SettlementRun:
    """What one run of settlement came to. ``busy`` merchants are being settled by another run at this moment."""

    settlement_date: date
    batches: list[SettledBatch] = field(default_factory=list)
    payouts: list[PayoutView] = field(default_factory=list)
    failures: list[SettlementFailure] = field(default_factory=list)
    accounts: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class NewFeeContract:
    """Terms that a merchant and the platform have agreed; ``rate_ppm`` millionths, ``settlement_days`` the n of T+n.

    ``valid_from`` None is at once.
    """

    merchant_no: str
    rate_ppm: int
    terms: tuple[FeeTerm, ...] = ()
    returned_on_refund: bool = True
    settlement_days: int = 1
    valid_from: datetime | None = None


class PayoutNotOpen(Conflict):
    """The payout is past the state in which this can be done to it."""

    code = "payout_not_open"
    title = "The payout is not open for this"


class MerchantOnHold(Conflict):
    """A risk hold keeps the merchant's money; nothing of it is paid out."""

    code = "merchant_on_hold"
    title = "The merchant is on hold"


class InsufficientAvailable(Conflict):
    """Less is available than the payout takes: a refund or a chargeback came first. The next run makes a new one."""

    code = "insufficient_available"
    title = "Less is available than the payout takes"


class HoldNotActive(Conflict):
    """The hold was lifted before."""

    code = "settlement_hold_not_active"
    title = "The hold is not active"
