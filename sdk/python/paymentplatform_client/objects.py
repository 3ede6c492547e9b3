"""The platform's objects. Amounts are integers in minor units, times are aware datetimes in UTC.

Fields that this version does not know are dropped, and a status that it does not know is ``UNKNOWN``: a newer
platform does not break an older client.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar, cast

T = TypeVar("T")


class _OpenEnum(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get("UNKNOWN")


class OrderStatus(_OpenEnum):
    """Only SUCCESS means paid; only FAILED and CLOSED mean that it never will be."""

    INIT = "INIT"
    PAYING = "PAYING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class PaymentStatus(_OpenEnum):
    """PAYING also stands for a result that nobody knows yet."""

    INIT = "INIT"
    PAYING = "PAYING"
    PAID = "PAID"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class RefundStatus(_OpenEnum):
    """PROCESSING is no failure: never send it again under another number."""

    INIT = "INIT"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class DeliveryStatus(_OpenEnum):
    """DUE waits for its next try; DEAD was given up: have it sent again."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"


class CloseReason(_OpenEnum):
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


class Method(_OpenEnum):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first; pass ``next_cursor`` to go on."""

    data: tuple[T, ...]
    has_more: bool
    next_cursor: str | None


def parse(kind: type[T], data: Mapping[str, Any]) -> T:
    """Read one object of the platform. Raises KeyError, TypeError or ValueError when it is none of this kind."""
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(cast(Any, kind))}
    return kind(**{name: _read(hints[name], data[name]) for name in known & data.keys()})


def parse_page(kind: type[T], data: Mapping[str, Any]) -> Page[T]:
    """Read one page of a list."""
    return Page(
        data=tuple(parse(kind, item) for item in data["data"]),
        has_more=bool(data["has_more"]),
        next_cursor=data["next_cursor"],
    )


def _read(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (member for member in typing.get_args(kind) if member is not type(None))
        return None if value is None else _read(inner, value)
    if origin is tuple:
        return tuple(_read(typing.get_args(kind)[0], item) for item in value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, _OpenEnum):
        return kind(value)
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        return parse(kind, value)
    return value
