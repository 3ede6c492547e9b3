"""What checkout takes in and gives out. Pure: imports no framework."""

from __future__ import annotations

import msgspec

from acquiring.contracts import Method
from paymentplatform.kernel.errors import Action, DomainError, PermissionRefused


class Option(msgspec.Struct, frozen=True):
    """A bank or wallet inside a method."""

    code: str
    name: str


class MethodOffer(msgspec.Struct, frozen=True):
    """One method as consult 支付方式咨询 answers it; ``reason_code`` says why it is not offered."""

    code: Method
    name: str
    flow: str
    available: bool
    reason_code: str | None
    rank: int
    options: list[Option]


class PayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``options`` of POST /orders/{order_no}/pay."""

    bank_code: str | None = None
    wallet_code: str | None = None
    card_token: str | None = None
    payer_token: str | None = None


class PayAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the payer does next: none, redirect (url), qr_code (qr_content, expires_at) or form (url, fields)."""

    type: str
    url: str | None = None
    qr_content: str | None = None
    expires_at: str | None = None
    fields: dict[str, str] | None = None


class PayResult(msgspec.Struct, frozen=True):
    """The Pay object. PAYING also when the result is unknown; FAILED only after a definite decline."""

    payment_no: str
    status: str
    failure_code: str | None
    action: PayAction


class WrongPaymentPassword(PermissionRefused):
    """The payer's number or payment password is wrong."""

    code = "wrong_payment_password"
    title = "The payer number or payment password is wrong"
    action = Action.FIX_REQUEST


class PaymentPasswordLocked(PermissionRefused):
    """Five wrong tries: the payment password is locked for three hours, or until an operator unlocks it."""

    code = "payment_password_locked"
    title = "The payment password is locked after too many wrong tries"
    action = Action.RETRY_LATER


class MethodUnavailable(DomainError):
    """The method is not offered for this order; ``detail`` carries the reason code."""

    code = "method_unavailable"
    status = 409
    title = "This payment method is not available for the order"
    action = Action.FIX_REQUEST
