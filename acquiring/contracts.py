"""What crosses acquiring's wall: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.contracts import LateMoneyStatus, RefundStatus
from paymentplatform.kernel.errors import Action, Conflict, PermissionRefused


class OrderStatus(StrEnum):
    """States of a trade order 交易订单; the last three are terminal."""

    INIT = "INIT"
    PAYING = "PAYING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CLOSED = "CLOSED"


class Method(StrEnum):
    """Payment methods 支付方式 of the merchant API."""

    BALANCE = "BALANCE"
    BANK_CARD = "BANK_CARD"
    WALLET = "WALLET"
    NET_BANKING = "NET_BANKING"
    QR_CODE = "QR_CODE"


class CloseReason(StrEnum):
    """Who closed an order."""

    MERCHANT = "MERCHANT"
    EXPIRED = "EXPIRED"
    OPERATOR = "OPERATOR"


class PaymentDetailView(msgspec.Struct, frozen=True):
    """One asset inside a payment 支付明细."""

    detail_no: str
    method: str
    channel: str | None
    amount: int
    status: str
    refunded_amount: int


class PaymentView(msgspec.Struct, frozen=True):
    """The live or latest payment of an order, as the merchant sees it."""

    payment_no: str
    status: str
    method: str
    failure_code: str | None
    details: list[PaymentDetailView]


class OrderView(msgspec.Struct, frozen=True):
    """The Order object of the merchant API, field for field; amounts in minor units, times RFC 3339 UTC."""

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
    expires_at: str
    created_at: str
    paid_at: str | None
    closed_at: str | None
    close_reason: CloseReason | None
    failure_code: str | None
    payment: PaymentView | None
    metadata: dict[str, str]


class LateMoneyView(msgspec.Struct, frozen=True):
    """The LateMoney object of the merchant API: what a channel took for a trade that could not use it any more.

    ``respond_by`` is until when your decision is waited for (policy ASK); ``reason`` is a code.
    """

    late_money_no: str
    order_no: str
    payment_no: str
    status: LateMoneyStatus
    policy: str
    amount: int
    currency: str
    channel: str
    reason: str
    respond_by: str | None
    created_at: str
    resolved_at: str | None


class RefundView(msgspec.Struct, frozen=True):
    """The Refund object of the merchant API, field for field; the amount in minor units, times RFC 3339 UTC."""

    refund_no: str
    merchant_refund_no: str
    order_no: str
    status: RefundStatus
    amount: int
    currency: str
    reason: str | None
    created_at: str
    succeeded_at: str | None
    failure_code: str | None


class ConsultedOrder(msgspec.Struct, frozen=True):
    """An Order with the methods its merchant allows (None: all) and the merchant's own name of the payer."""

    order: OrderView
    allowed_methods: list[str] | None
    payer_ref: str | None


class CashierOrder(msgspec.Struct, frozen=True):
    """What the cashier 收银台 may know of an order: the merchant's view plus what the page needs.

    ``return_url`` is the merchant's registered address or None; ``expires_in_s`` counts from the database's now,
    negative once over; ``late_money`` tells that money came too late and is being dealt with.
    """

    order: OrderView
    merchant_no: str
    merchant_name: str
    return_url: str | None
    allowed_methods: list[str] | None
    expires_in_s: int
    cashier_token: str
    late_money: bool = False


class MerchantIdentity(msgspec.Struct, frozen=True):
    """The authenticated caller of the merchant API."""

    merchant_no: str
    key_id: str
    name: str
    return_origins: tuple[str, ...] = ()


class PayableOrder(msgspec.Struct, frozen=True):
    """What acceptance 受理 must know of an order.

    ``expired`` is by the database's clock, ``payee`` the merchant's name, ``payer_ref`` what it calls the payer.
    """

    order_no: str
    merchant_no: str
    status: OrderStatus
    closing: bool
    expired: bool
    amount: int
    currency: str
    subject: str
    metadata: dict[str, str]
    allowed_methods: list[str] | None
    payment_no: str | None
    return_url: str | None
    expires_at: datetime
    fee_rate_ppm: int
    cashier_token: str
    payee: str
    payer_ref: str | None


def _shown(description: str, **limits: Any) -> Meta:
    """Say in the OpenAPI document what a field is; ``services.order_rules`` checks the limits, all at once."""
    return Meta(description=description, extra_json_schema=limits)


class CreateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /orders."""

    merchant_order_no: Annotated[
        str, _shown("Your number, unique for ever.", pattern="^[A-Za-z0-9_.-]{1,64}$")
    ]
    amount: Annotated[int, _shown("Minor units.", minimum=1, maximum=999_999_999_999)]
    currency: Annotated[str, _shown("ISO 4217.", pattern="^[A-Z]{3}$")]
    subject: Annotated[str, _shown("Shown to the payer.", minLength=1, maxLength=128)]
    description: Annotated[str, _shown("Shown to you.", maxLength=512)] | None = None
    expires_in: (
        Annotated[int, _shown("Seconds; 900 unless given.", minimum=60, maximum=86_400)] | None
    ) = None
    notify_url: (
        Annotated[str, _shown("Where this order's webhooks go.", format="uri", maxLength=2048)]
        | None
    ) = None
    return_url: (
        Annotated[str, _shown("The way back; under an origin of yours.", format="uri")] | None
    ) = None
    allowed_methods: (
        Annotated[list[Method], _shown("Offer only these.", minItems=1, uniqueItems=True)] | None
    ) = None
    payer_ref: (
        Annotated[str, _shown("Your name for the payer; not shown.", minLength=1, maxLength=64)]
        | None
    ) = None
    metadata: (
        Annotated[dict[str, str], _shown("Comes back unchanged.", maxProperties=20)] | None
    ) = None


class CreateRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /refunds. Name the order by one of its numbers; if you give both they must agree."""

    merchant_refund_no: Annotated[
        str, _shown("Your number, unique for ever.", pattern="^[A-Za-z0-9_.-]{1,64}$")
    ]
    amount: Annotated[int, _shown("Minor units.", minimum=1, maximum=999_999_999_999)]
    order_no: Annotated[str, _shown("Our number of the order.")] | None = None
    merchant_order_no: Annotated[str, _shown("Your number of the order.")] | None = None
    reason: Annotated[str, _shown("For your records.", minLength=1, maxLength=256)] | None = None


class OrderConflict(Conflict):
    """The merchant's number was used before with another body."""

    code = "order_conflict"
    title = "This merchant_order_no belongs to a different order"
    action = Action.FIX_REQUEST


class OrderAlreadyPaid(Conflict):
    """The order is SUCCESS."""

    code = "order_already_paid"
    title = "The order is already paid"


class OrderFailed(Conflict):
    """The order is FAILED: no try is left."""

    code = "order_failed"
    title = "The order has failed"


class OrderClosed(Conflict):
    """The order is CLOSED or past its time."""

    code = "order_closed"
    title = "The order is closed"


class OrderClosing(Conflict):
    """A close is under way; no new payment is taken."""

    code = "order_closing"
    title = "The order is being closed"


class PaymentInProgress(Conflict):
    """Another payment of the order is alive and could not be closed with certainty yet; no new one was started.

    The close of the live one goes on: ask again, or query the order.
    """

    code = "payment_in_progress"
    title = "Another payment of this order is in progress"


class RefundConflict(Conflict):
    """The merchant's number was used before for another refund."""

    code = "refund_conflict"
    title = "This merchant_refund_no belongs to a different refund"
    action = Action.FIX_REQUEST


class OrderNotPaid(Conflict):
    """Only a SUCCESS order can be refunded."""

    code = "order_not_paid"
    title = "The order is not paid"


class RefundExceedsPaid(Conflict):
    """More than what was paid and is neither refunded nor on its way back."""

    code = "refund_exceeds_paid"
    title = "The refund is more than what is left to refund"


class RefundLimitReached(Conflict):
    """The order has had as many refunds as the merchant's contract allows (failed ones do not count)."""

    code = "refund_limit_reached"
    title = "The order takes no more refunds"
    action = Action.CONTACT


class RefundWindowOver(Conflict):
    """The order was paid too long ago for the merchant's contract."""

    code = "refund_window_over"
    title = "The time for refunds of this order is over"
    action = Action.CONTACT


class NoDeliveryTarget(Conflict):
    """The event never had an address to go to, so it cannot be delivered again."""

    code = "no_delivery_target"
    title = "The event has no address to be delivered to"
    action = Action.FIX_REQUEST


class PayerTokenInvalid(PermissionRefused):
    """No such agreement for this merchant, revoked, or beyond what it allows."""

    code = "payer_token_invalid"
    title = "The payer token is not valid for this payment"
    action = Action.FIX_REQUEST
