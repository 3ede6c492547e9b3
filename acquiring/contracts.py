"""What crosses acquiring's wall: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from engine.contracts import PaymentStatus, RefundStatus
from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import Action, Conflict, PermissionRefused
from paymentplatform.kernel.fields import shown


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


PaymentFailure = Annotated[
    str,
    shown(
        "Why the latest try failed, such as `declined`, `insufficient_balance`, `payment_closed`, `amount_mismatch`,"
        " `card_removed`, `not_sent`, `request_refused`. Channels may bring new codes."
    ),
]


class PaymentDetailView(msgspec.Struct, frozen=True):
    """One asset inside a payment 支付明细: the payer's balance, or what a channel collects."""

    detail_no: fields.DetailNo
    method: Annotated[str, fields.choice_of("Where this part comes from.", Method)]
    channel: Annotated[str, shown("The channel that collects it; null for the balance.")] | None
    amount: Annotated[int, fields.amount_of("This part.", least=1)]
    status: Annotated[
        str,
        fields.choice_of(
            "`HELD` is set aside or collected, `DONE` is paid, `RELEASED` was given back unpaid.",
            ("INIT", "HELD", "DONE", "RELEASED", "FAILED"),
        ),
    ]
    refunded_amount: Annotated[int, fields.amount_of("What of it went back.")]


class PaymentView(msgspec.Struct, frozen=True):
    """The live or latest payment of an order, as the merchant sees it."""

    payment_no: fields.PaymentNo
    status: Annotated[
        str, fields.choice_of("`PAID` and `FAILED` are the end of it.", PaymentStatus)
    ]
    method: Annotated[str, fields.choice_of("The method that was asked for.", Method)]
    failure_code: PaymentFailure | None
    details: Annotated[list[PaymentDetailView], shown("Its parts; together they are the amount.")]


class OrderView(msgspec.Struct, frozen=True):
    """The Order object of the merchant API, field for field; amounts in minor units, times RFC 3339 UTC."""

    order_no: fields.OrderNo
    merchant_order_no: fields.MerchantOrderNo
    status: Annotated[
        OrderStatus,
        shown("Only `SUCCESS` means paid; only `FAILED` and `CLOSED` mean that it never will be."),
    ]
    closing: Annotated[bool, shown("A close is under way: no new payment is taken.")]
    amount: fields.Amount
    currency: fields.Currency
    refunded_amount: Annotated[int, fields.amount_of("What went back to the payer.")]
    refunding_amount: Annotated[int, fields.amount_of("What is on its way back.")]
    subject: Annotated[str, shown("What the payer reads.")]
    description: Annotated[str, shown("What you wrote beside it.")] | None
    cashier_url: Annotated[
        str, shown("The page on which your customer pays; whoever has it can.", format="uri")
    ]
    expires_at: Annotated[str, shown("Until when it can be paid.", format="date-time")]
    created_at: Annotated[str, shown("When it was created.", format="date-time")]
    paid_at: Annotated[str, shown("When it became `SUCCESS`.", format="date-time")] | None
    closed_at: Annotated[str, shown("When it became `CLOSED`.", format="date-time")] | None
    close_reason: Annotated[CloseReason, shown("Who closed it.")] | None
    failure_code: PaymentFailure | None
    payment: Annotated[PaymentView | None, shown("The live or latest one; null before.")]
    metadata: Annotated[dict[str, str], shown("What you gave, unchanged.")]


class RefundView(msgspec.Struct, frozen=True):
    """The Refund object of the merchant API, field for field; the amount in minor units, times RFC 3339 UTC."""

    refund_no: fields.RefundNo
    merchant_refund_no: fields.MerchantRefundNo
    order_no: fields.OrderNo
    merchant_order_no: fields.MerchantOrderNo
    status: Annotated[
        RefundStatus, shown("`PROCESSING` is no failure: we go on until the answer is certain.")
    ]
    amount: fields.Amount
    currency: fields.Currency
    reason: Annotated[str, shown("What you wrote.")] | None
    created_at: Annotated[str, shown("When you asked for it.", format="date-time")]
    succeeded_at: Annotated[str, shown("When it became `SUCCESS`.", format="date-time")] | None
    failure_code: Annotated[str, shown("Why it failed: `refund_refused`, or a newer code.")] | None


class ConsultedOrder(msgspec.Struct, frozen=True):
    """An Order with the methods its merchant allows (None: all) and the merchant's own name of the payer."""

    order: OrderView
    allowed_methods: list[str] | None
    payer_ref: str | None


class CashierOrder(msgspec.Struct, frozen=True):
    """What the cashier 收银台 may know of an order: the merchant's view plus what the page needs.

    ``return_url`` is the merchant's registered address or None; ``expires_in_s`` counts from the database's now,
    negative once over; ``late_money`` is, of an order that has ended or is out of time, the state of money that came
    too late.
    """

    order: OrderView
    merchant_no: str
    merchant_name: str
    return_url: str | None
    allowed_methods: list[str] | None
    expires_in_s: int
    cashier_token: str
    late_money: str | None = None


class CashierStamp(NamedTuple):
    """Names the present state of an order's page; ``forward_payment_no`` is a payment whose inquiry is due early."""

    stamp: str
    forward_payment_no: str | None


class CashierStyle(msgspec.Struct, frozen=True):
    """How a merchant's cashier looks: ``colour`` #rrggbb and ``logo`` a data: address, each may be empty;
    ``embed_origins`` may show it in a frame.
    """

    colour: str = ""
    logo: str = ""
    embed_origins: tuple[str, ...] = ()


class MerchantIdentity(msgspec.Struct, frozen=True):
    """The authenticated caller of the merchant API; ``rate_limit_per_s`` None means the platform's default."""

    merchant_no: str
    key_id: str
    name: str
    return_origins: tuple[str, ...] = ()
    rate_limit_per_s: int | None = None


class PayableOrder(msgspec.Struct, frozen=True):
    """What acceptance 受理 must know of an order.

    ``expired`` is by the database's clock, ``payee`` the merchant's name, ``payer_ref`` what it calls the payer,
    ``fee_rate_ppm`` and ``fee_terms`` what the contract under which it was created says.
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
    fee_terms: str | None
    cashier_token: str
    payee: str
    payer_ref: str | None


class CreateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /orders."""

    merchant_order_no: Annotated[
        str, shown("Your number, unique for ever.", pattern=fields.MERCHANT_NUMBER_PATTERN)
    ]
    amount: fields.Amount
    currency: fields.Currency
    subject: Annotated[str, fields.text_of("Shown to the payer.", least=1, most=128)]
    description: Annotated[str, fields.text_of("Shown to you.", least=0, most=512)] | None = None
    expires_in: (
        Annotated[
            int,
            shown(
                "Seconds until it can no longer be paid; 900 unless given.",
                minimum=60,
                maximum=86_400,
            ),
        ]
        | None
    ) = None
    notify_url: (
        Annotated[
            str,
            shown(
                "Where this order's webhooks go: https, a public host.",
                format="uri",
                maxLength=2048,
            ),
        ]
        | None
    ) = None
    return_url: (
        Annotated[
            str,
            shown("The payer's way back, under an origin of yours.", format="uri", maxLength=2048),
        ]
        | None
    ) = None
    allowed_methods: (
        Annotated[list[Method], shown("Offer only these.", minItems=1, uniqueItems=True)] | None
    ) = None
    payer_ref: (
        Annotated[str, fields.text_of("Your name for the payer; not shown.", least=1, most=64)]
        | None
    ) = None
    metadata: (
        Annotated[
            dict[
                Annotated[str, shown("", minLength=1, maxLength=40, format="line")],
                Annotated[str, shown("", maxLength=256, format="line")],
            ],
            shown("Comes back unchanged; keys up to 40 characters.", maxProperties=20),
        ]
        | None
    ) = None


class CreateRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /refunds. Name the order by one of its numbers; if you give both they must agree."""

    further_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [{"required": ["order_no"]}, {"required": ["merchant_order_no"]}]
    }
    """What the types of the fields alone do not say; for the OpenAPI document."""

    merchant_refund_no: Annotated[
        str, shown("Your number, unique for ever.", pattern=fields.MERCHANT_NUMBER_PATTERN)
    ]
    amount: fields.Amount
    order_no: fields.OrderNo | None = None
    merchant_order_no: fields.MerchantOrderNo | None = None
    reason: Annotated[str, fields.text_of("For your records.", least=1, most=256)] | None = None


class OrderConflict(Conflict):
    """The merchant's number was used before with another body."""

    code = "order_conflict"
    title = "This merchant_order_no belongs to a different order"
    action = Action.FIX_REQUEST
    final = True


class OrderAlreadyPaid(Conflict):
    """The order is SUCCESS."""

    code = "order_already_paid"
    title = "The order is already paid"
    final = True


class OrderFailed(Conflict):
    """The order is FAILED: no try is left."""

    code = "order_failed"
    title = "The order has failed"
    final = True


class OrderClosed(Conflict):
    """The order is CLOSED or past its time."""

    code = "order_closed"
    title = "The order is closed"
    final = True


class OrderClosing(Conflict):
    """A close is under way; no new payment is taken."""

    code = "order_closing"
    title = "The order is being closed"


class PaymentInProgress(Conflict):
    """Another payment of the order is alive and could not be closed with certainty yet; no new one was started.

    The one 409 after which something goes on: the close of the live payment. Ask again, or query the order.
    """

    code = "payment_in_progress"
    title = "Another payment of this order is in progress"


class RefundConflict(Conflict):
    """The merchant's number was used before for another refund."""

    code = "refund_conflict"
    title = "This merchant_refund_no belongs to a different refund"
    action = Action.FIX_REQUEST
    final = True


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


class SecondOperatorRequired(Conflict):
    """One operator alone may not refund this much of an order, or on one day: he proposes it, another one approves."""

    code = "second_operator_required"
    title = "This needs two operators"


class NoDeliveryTarget(Conflict):
    """There is no address to send it to now: neither a notify_url nor an enabled endpoint that wants its type.

    Add one and ask again.
    """

    code = "no_delivery_target"
    title = "The event has no address to be delivered to"
    action = Action.FIX_REQUEST


class PayerTokenInvalid(PermissionRefused):
    """No such agreement for this merchant, ended, for another currency, or beyond what it allows."""

    code = "payer_token_invalid"
    title = "The payer token is not valid for this payment"
    action = Action.FIX_REQUEST
