"""The platform's objects. Amounts are integers in minor units, times are aware datetimes in UTC.

Fields that this version does not know are dropped, and a status that it does not know is ``UNKNOWN``: a newer
platform does not break an older client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from paymentplatform_client.parsing import OpenEnum, parse


class OrderStatus(OpenEnum):
    """Only SUCCESS means paid; only FAILED and CLOSED mean that it never will be."""

    INIT = "INIT"
    PAYING = "PAYING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class PaymentStatus(OpenEnum):
    """PAYING also stands for a result that nobody knows yet."""

    INIT = "INIT"
    PAYING = "PAYING"
    PAID = "PAID"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class RefundStatus(OpenEnum):
    """PROCESSING is no failure: never send it again under another number."""

    INIT = "INIT"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class DeliveryStatus(OpenEnum):
    """DUE waits for its next try; DEAD was given up: have it sent again."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"


class CloseReason(OpenEnum):
    """Who closed an order."""

    MERCHANT = "MERCHANT"
    EXPIRED = "EXPIRED"
    OPERATOR = "OPERATOR"
    UNKNOWN = "UNKNOWN"


class Terminal(StrEnum):
    """What the payer holds: a browser, a phone's browser, an app."""

    WEB = "WEB"
    WAP = "WAP"
    APP = "APP"


class Method(OpenEnum):
    """How a payer pays."""

    BALANCE = "BALANCE"
    BANK_CARD = "BANK_CARD"
    WALLET = "WALLET"
    NET_BANKING = "NET_BANKING"
    QR_CODE = "QR_CODE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetail:
    """One part of a payment: the payer's balance, or what a channel collects."""

    detail_no: str
    method: Method
    channel: str | None
    amount: int
    status: str
    refunded_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """The live or latest payment of an order."""

    payment_no: str
    status: PaymentStatus
    method: Method
    failure_code: str | None
    details: tuple[PaymentDetail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order. Send your customer to ``cashier_url``."""

    order_no: str
    merchant_order_no: str
    status: OrderStatus
    closing: bool
    amount: int
    currency: str
    refunded_amount: int
    refunding_amount: int
    subject: str
    description: str | None
    cashier_url: str
    expires_at: datetime
    created_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    close_reason: CloseReason | None
    failure_code: str | None
    payment: Payment | None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether its status will never change again."""
        return self.status in {OrderStatus.SUCCESS, OrderStatus.FAILED, OrderStatus.CLOSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money on its way back to the payer, or arrived."""

    refund_no: str
    merchant_refund_no: str
    order_no: str
    merchant_order_no: str
    status: RefundStatus
    amount: int
    currency: str
    reason: str | None
    created_at: datetime
    succeeded_at: datetime | None
    failure_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What the payer does next: ``none``, ``redirect`` (url), ``qr_code`` (qr_content) or ``form`` (url, fields)."""

    type: str
    url: str | None = None
    qr_content: str | None = None
    expires_at: datetime | None = None
    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayResult:
    """A payment that was started. FAILED only after a definite decline."""

    payment_no: str
    status: PaymentStatus
    failure_code: str | None
    action: NextStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A bank, wallet or saved card inside a method."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOffer:
    """A method that an order can be paid with, or why not."""

    code: Method
    name: str
    flow: str
    available: bool
    reason_code: str | None
    rank: int
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the platform owes you in one currency."""

    currency: str
    pending: int
    available: int
    in_transit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one address of yours; ``endpoint_id`` is None for the order's ``notify_url``."""

    delivery_no: str
    endpoint_id: str | None
    url: str | None
    status: DeliveryStatus
    reason: str | None
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; ``data`` is the object as it was then. Its ``id`` comes again when it is repeated.

    A webhook does not say its ``deliveries``; asked for, an event does.
    """

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any]
    deliveries: tuple[Delivery, ...] = ()

    @property
    def order(self) -> Order:
        """The order of an ``order.…`` event."""
        return parse(Order, self.data)

    @property
    def refund(self) -> Refund:
        """The refund of a ``refund.…`` event."""
        return parse(Refund, self.data)

    @property
    def late_money(self) -> LateMoney:
        """The late money of a ``late_money.…`` event."""
        return parse(LateMoney, self.data)

    @property
    def agreement(self) -> Agreement:
        """The agreement of a ``payer_agreement.…`` event; the first delivery of ``.active`` has its token."""
        return parse(Agreement, self.data)


class AgreementStatus(OpenEnum):
    """Only ACTIVE lets you take money."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a payer lets you take from his balance: send him to ``agreement_url``.

    Keep ``payer_token`` like a password.
    """

    agreement_no: str
    status: AgreementStatus
    currency: str
    max_per_payment: int
    max_per_day: int
    subject: str | None
    payer_ref: str | None
    return_url: str | None
    agreement_url: str | None
    payer_token: str | None = field(repr=False)
    created_at: datetime
    expires_at: datetime
    consented_at: datetime | None
    revoked_at: datetime | None


class LateMoneyStatus(OpenEnum):
    """REFUNDED and HONOURED are the end of it."""

    OPEN = "OPEN"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    HONOURED = "HONOURED"
    UNKNOWN = "UNKNOWN"


class LateMoneyDecision(StrEnum):
    """Send it back to the payer, or keep it and deliver after all."""

    REFUND = "REFUND"
    HONOUR = "HONOUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateMoney:
    """What an institution took for a trade that could not use it any more; the order stays as it is."""

    late_money_no: str
    order_no: str
    merchant_order_no: str
    payment_no: str
    status: LateMoneyStatus
    policy: str
    amount: int
    currency: str
    channel: str
    reason: str
    respond_by: datetime | None
    created_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """An address for events of all orders; no ``events`` means every type.

    ``secret`` is there only when it was made.
    """

    id: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    secret: str | None = field(default=None, repr=False)


class StatementKind(StrEnum):
    """Every fact and the totals, or the totals alone."""

    DETAIL = "detail"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRecord:
    """One fact of a day (``record`` LINE), or the sum of ``count`` facts (TOTAL) of one type or of ALL.

    ``amount`` is positive in your favour. What a record does not have is None.
    """

    record: str
    type: str
    currency: str
    amount: int
    count: int
    time: datetime | None = None
    order_no: str | None = None
    merchant_order_no: str | None = None
    payment_no: str | None = None
    refund_no: str | None = None
    merchant_refund_no: str | None = None
    late_money_no: str | None = None
    method: str | None = None
