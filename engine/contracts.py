"""What crosses the engine's wall: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from engine.channels.base import Capability, Outcome
from engine.exchange import ExchangePlan, InternalAsset
from engine.health_contracts import BreakerState, ChannelFacts
from engine.late_money import (
    HeldDecision,
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyNotOpen,
    LateMoneyOrderPaying,
    LateMoneyReason,
    LateMoneyState,
    LateMoneyStatus,
    LateMoneyTotal,
)
from engine.reference_contracts import Reference
from engine.statement_contracts import Resolution
from paymentplatform.kernel.errors import Action, Conflict, PermissionRefused
from paymentplatform.kernel.history import Move


class PaymentStatus(StrEnum):
    """States of a payment order 支付总单; PAID and FAILED are terminal."""

    INIT = "INIT"
    PAYING = "PAYING"
    PAID = "PAID"
    FAILED = "FAILED"


class RefundStatus(StrEnum):
    """States of a refund 退款单; SUCCESS and FAILED are terminal."""

    INIT = "INIT"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class RefundSource(StrEnum):
    """Kind of the merchant's account that a refund comes out of: pending, or available after its release."""

    MERCHANT_PENDING = "L20"
    MERCHANT_AVAILABLE = "L21"


class Cause(StrEnum):
    """Where a move came from; stored with every event row.

    A payment from the balance alone under an agreement has the agreement's number there instead of API.
    """

    API = "api"
    CASHIER = "cashier"
    SYNC_ANSWER = "sync_answer"
    CALLBACK = "callback"
    INQUIRY = "inquiry"
    CLOSE = "close"
    EXPIRY = "expiry"
    POLICY = "policy"
    STATEMENT = "statement"
    OPERATOR = "operator"


DEMANDS_CHALLENGE: Final = {"challenge": "required"}
"""Option of a payment whose channel must ask for 3-D Secure; its candidates all have Capability.CHALLENGE."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment through a channel that the owner has accepted; amounts in minor units.

    ``candidates`` are channel codes in the order they may be tried. ``expires_at`` is the owner's own deadline.
    ``plan`` says what comes out of the payer's balance beside the channel; None: the channel collects everything.
    ``terminal`` is the kind of device the payer holds (WEB, WAP, APP), kept for channels and for people. ``payee``
    is the merchant's name for the payer's eyes; ``payer_ref`` is the merchant's name of the payer, whose cards may
    be saved.
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
    plan: ExchangePlan | None = None
    terminal: str = "WEB"
    payee: str = ""
    payer_ref: str | None = None


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


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund of a paid order that the owner has accepted and counted; the amount in minor units.

    ``returns_fee`` says that the merchant's fee goes back with it, pro rata; ``pulled_back`` is what the channel has
    taken back of the payment already.
    """

    refund_no: str
    order_no: str
    payment_no: str
    merchant_no: str
    merchant_refund_no: str
    amount: int
    currency: str
    reason: str = ""
    returns_fee: bool = True
    source: RefundSource = RefundSource.MERCHANT_PENDING
    pulled_back: int = 0


@dataclass(frozen=True, slots=True)
class RefundProgress:
    """How a refund of an order stands, with what the merchant asked for."""

    refund_no: str
    merchant_refund_no: str
    order_no: str
    merchant_no: str
    status: RefundStatus
    amount: int
    currency: str
    reason: str
    failure_code: str | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Money of one channel and age whose whereabouts nobody knows: sent, and no usable answer yet."""

    channel_code: str
    currency: str
    age: str
    attempts: int
    amount: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentOrderView:
    """One payment, for operators."""

    payment_no: str
    status: str
    method: str
    amount: int
    fee_amount: int
    currency: str
    payer_no: str | None
    failure_code: str | None
    created_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class DetailView:
    """One asset of a payment, for operators."""

    detail_no: str
    payment_id: str
    status: str
    method: str
    channel_code: str | None
    amount: int
    refunded_amount: int
    currency: str
    hold_no: str | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One request to a channel, for operators."""

    attempt_no: str
    channel_code: str
    status: str
    amount: int
    currency: str
    channel_trade_no: str | None
    failure_code: str | None
    query_count: int
    next_query_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CallbackView:
    """One stored callback, for operators."""

    callback_id: int
    received_at: datetime
    channel_code: str
    result: str
    note: str
    attempt_no: str | None


@dataclass(frozen=True, slots=True)
class LateMoneyView:
    """Money that came too late, for operators."""

    late_money_no: str
    status: str
    amount: int
    currency: str
    channel_code: str
    channel_trade_no: str
    reason: str
    policy: str
    due_at: datetime | None
    decided_by: str
    created_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money on its way back to a payer, for operators."""

    refund_no: str
    purpose: str
    status: str
    failure_code: str | None
    merchant_refund_no: str | None
    amount: int
    external_amount: int
    balance_amount: int
    returned_fee: int
    currency: str
    source: str
    channel_code: str | None
    try_count: int
    next_try_at: datetime | None
    last_outcome: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CaseView:
    """Something a person must look at."""

    case_no: str
    status: str
    kind: str
    object_no: str
    detail: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TradeFile:
    """What the engine knows about the money of one order, or of one payment."""

    payments: tuple[PaymentOrderView, ...]
    details: tuple[DetailView, ...]
    attempts: tuple[AttemptView, ...]
    callbacks: tuple[CallbackView, ...]
    refunds: tuple[RefundView, ...]
    late_money: tuple[LateMoneyView, ...]
    cases: tuple[CaseView, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class SavedCardView:
    """A card that a payer can pay with; ``card_no`` goes into ``options.card_token``."""

    card_no: str
    brand: str
    last4: str


class CardTokenInvalid(PermissionRefused):
    """The saved card is not this payer's at this merchant, was removed, or its channel cannot take it now."""

    code = "card_token_invalid"
    title = "The saved card cannot be used for this payment"
    action = Action.FIX_REQUEST


class NoChannel(Conflict):
    """No channel offers this method for this payment now."""

    code = "no_channel"
    title = "No channel can take this payment now"


class CaseNotOpen(Conflict):
    """The case was resolved, by people or by what happened to its object."""

    code = "case_not_open"
    title = "The case is not open"


class CaseStillNeeded(Conflict):
    """What the case is about still waits for a decision; without the case nobody would look at it."""

    code = "case_still_needed"
    title = "The case ends with what it is about"
    action = Action.FIX_REQUEST


class InsufficientMerchantBalance(Conflict):
    """The merchant's account has less than the refund takes (after the returned fee); nothing was written."""

    code = "insufficient_merchant_balance"
    title = "The merchant's balance is too small for this refund"
    action = Action.RETRY_LATER


class RefundNotSupported(Conflict):
    """The channel that took the money cannot give it back by itself."""

    code = "refund_not_supported"
    title = "The payment's channel cannot refund"
    action = Action.CONTACT


__all__ = [
    "AttemptView",
    "BreakerState",
    "CallbackView",
    "Capability",
    "CardTokenInvalid",
    "CaseNotOpen",
    "CaseStillNeeded",
    "CaseView",
    "Cause",
    "ChannelFacts",
    "DetailView",
    "ExchangePlan",
    "Exposure",
    "HeldDecision",
    "InsufficientMerchantBalance",
    "InternalAsset",
    "LateMoneyDecision",
    "LateMoneyNotAsked",
    "LateMoneyNotOpen",
    "LateMoneyOrderPaying",
    "LateMoneyReason",
    "LateMoneyState",
    "LateMoneyStatus",
    "LateMoneyTotal",
    "LateMoneyView",
    "NewPayment",
    "NewRefund",
    "NoChannel",
    "Outcome",
    "PaymentOrderView",
    "PaymentProgress",
    "PaymentStatus",
    "Reference",
    "RefundNotSupported",
    "RefundProgress",
    "RefundSource",
    "RefundStatus",
    "RefundView",
    "Resolution",
    "SavedCardView",
    "TradeFile",
]
