"""What checkout takes in and gives out. Pure: imports no framework."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from acquiring.contracts import Method, PaymentFailure
from engine.contracts import PaymentStatus
from paymentplatform.kernel.errors import Action, Conflict, DomainError, PermissionRefused
from paymentplatform.kernel.fields import STORABLE_PATTERN, PaymentNo, choice_of, shown

REFUSALS: Final[dict[str, str]] = {
    "order_not_payable": "The order has ended.",
    "order_closing": "The order is being closed.",
    "not_allowed_by_merchant": "The order's `allowed_methods` leave it out.",
    "switched_off": "The platform offers it to nobody at present.",
    "switched_off_for_merchant": "The merchant does not have it.",
    "currency_unsupported": "It does not take the order's currency.",
    "amount_under_limit": "The amount is too small for it.",
    "amount_over_limit": "The amount is too large for it.",
    "terminal_unsupported": "It does not work on what the payer holds.",
    "locale_unsupported": "It is not for payers of this language.",
    "outside_hours": "It is not open at this time of the day.",
    "no_channel": "No institution takes it.",
    "channel_unavailable": "No institution that takes it can take anything now; this may be over soon.",
    "payer_token_invalid": "`BALANCE`: the `payer_token` is unknown, has ended, or is for another currency.",
    "over_limit": "`BALANCE`: more than the agreement allows per payment, or still today.",
    "insufficient_balance": "`BALANCE`: the payer has less than the order's amount.",
}
"""Why consult may not offer a method: the closed list. The last three only when a `payer_token` was given."""

UNTOLD_REFUSALS: Final = frozenset(
    {
        *("order_not_payable", "order_closing", "not_allowed_by_merchant"),
        *("switched_off", "switched_off_for_merchant"),
        *("terminal_unsupported", "locale_unsupported"),
    }
)
"""Methods that are not shown on pages at all for these reasons: the payer could do nothing about them."""


class Option(msgspec.Struct, frozen=True):
    """A bank, wallet or saved card inside a method."""

    code: Annotated[str, shown("What to send in `options`.")]
    name: Annotated[str, shown("What to show.")]


class MethodOffer(msgspec.Struct, frozen=True):
    """One method as consult 支付方式咨询 answers it; `reason_code` says why it is not offered."""

    code: Annotated[Method, shown("The method.")]
    name: Annotated[str, shown("What to show, in the language that was asked for.")]
    flow: Annotated[str, choice_of("How the payer pays.", ("password", "qr_code", "redirect"))]
    available: Annotated[bool, shown("Whether it is offered for this order now.")]
    reason_code: Annotated[str, choice_of("Why it is not offered.", tuple(REFUSALS))] | None
    rank: Annotated[int, shown("1 is what to show first.", minimum=1)]
    options: Annotated[list[Option], shown("Its banks, wallets or saved cards; else empty.")]


class PayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`options` of POST /orders/{order_no}/pay."""

    bank_code: Annotated[str, shown("Of `NET_BANKING`; without it the payer chooses.")] | None = (
        None
    )
    wallet_code: Annotated[str, shown("Of `WALLET`; without it the payer chooses.")] | None = None
    card_token: (
        Annotated[str, shown("Of `BANK_CARD`: a saved card, or a token of the institution.")] | None
    ) = None
    payer_token: (
        Annotated[
            str,
            shown(
                "The payer's agreement with you: required with `BALANCE`, `use_balance` or `balance_amount`.",
                pattern=STORABLE_PATTERN,
            ),
        ]
        | None
    ) = None
    card_bin: (
        Annotated[
            str,
            shown(
                "Of `BANK_CARD`, without `card_token`: the first 6 to 8 digits, if you know them. They only help to"
                " choose a channel; never send more of a card.",
                pattern="^[0-9]{6,8}$",
            ),
        ]
        | None
    ) = None


CHOICE_FIELDS: Final = {Method.WALLET: "wallet_code", Method.NET_BANKING: "bank_code"}
"""The member of ``options`` that names the choice inside a method: which wallet, which bank."""


class PayAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the payer does next."""

    type: Annotated[
        str,
        choice_of(
            "`none`: nothing; `redirect`: send the payer to `url`; `qr_code`: show `qr_content`; `form`: post"
            " `fields` to `url`.",
            ("none", "redirect", "qr_code", "form"),
        ),
    ]
    url: Annotated[str, shown("Where to.", format="uri")] | None = None
    qr_content: Annotated[str, shown("The text of the QR code.")] | None = None
    expires_at: Annotated[str, shown("Until when the code works.", format="date-time")] | None = (
        None
    )
    fields: Annotated[dict[str, str], shown("The form's hidden fields.")] | None = None


class PayResult(msgspec.Struct, frozen=True):
    """The Pay object. PAYING also when the result is unknown; FAILED only after a definite decline."""

    payment_no: PaymentNo
    status: Annotated[
        str, choice_of("`PAYING` also stands for a result not known yet.", PaymentStatus)
    ]
    failure_code: PaymentFailure | None
    action: Annotated[PayAction, shown("What the payer does next.")]


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


class RouteBookOutdated(Conflict):
    """Another version of the route book has come into force since this one was written: look at it, then write anew."""

    code = "route_book_outdated"
    title = "Another route book has come into force meanwhile"
    action = Action.FIX_REQUEST


class RiskRejected(PermissionRefused):
    """A check refused this payment; nothing was charged. Which check is not told. Another method may be accepted.

    The order is as it was. Repeating the same request is refused the same, unless its circumstances change.
    """

    code = "risk_rejected"
    title = "This payment was refused by a check; nothing was charged"
    action = Action.CONTACT


class RiskPending(DomainError):
    """This payment cannot be accepted yet; nothing was charged. The same request may be accepted later.

    Somebody may have to look at it first: repeat the same request after some minutes, while the order lives.
    """

    code = "risk_pending"
    status = 409
    title = "This payment cannot be accepted yet; nothing was charged"
    action = Action.RETRY_LATER


class PayerConfirmationRequired(PermissionRefused):
    """The payer must prove himself: send him to the order's `cashier_url`, or use a method that he confirms himself.

    Nothing was charged. On the cashier he gives his payment password; QR codes, wallets and net banking are confirmed
    at the institution.
    """

    code = "payer_confirmation_required"
    title = "The payer must confirm this payment himself"
    action = Action.FIX_REQUEST


class ReviewEnded(Conflict):
    """The review was decided already, or its order's time is over. For operators only."""

    code = "review_ended"
    title = "The review has ended"
