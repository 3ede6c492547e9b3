"""The merchant calls that need consult and acceptance: payment-methods and pay."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.api import HotMerchantView, get_order
from acquiring.contracts import (
    Method,
    OrderAlreadyPaid,
    OrderClosed,
    OrderClosing,
    OrderFailed,
    PayerTokenInvalid,
    PaymentInProgress,
)
from checkout.contracts import (
    MethodOffer,
    MethodUnavailable,
    PayerConfirmationRequired,
    PayOptions,
    PayResult,
    RiskPending,
    RiskRejected,
)
from checkout.services.acceptance import pay_order
from checkout.services.consult import list_methods
from checkout.services.wishes import PayCommand
from engine.contracts import CardTokenInvalid
from paymentplatform.kernel.fields import STORABLE_PATTERN, amount_of, shown
from paymentplatform.kernel.numbers import ORDER
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, json_response, path_number

_ORDER_PATH = {"order_no": "Our number of the order, `ord_…`."}

_METHODS_EXAMPLE = {
    "methods": [
        {
            "code": "QR_CODE",
            "name": "Scan a QR code",
            "flow": "qr_code",
            "available": True,
            "reason_code": None,
            "rank": 1,
            "options": [],
        }
    ]
}
_PAY_EXAMPLE = {
    "payment_no": "pay_01k0000000000000000001",
    "status": "PAYING",
    "failure_code": None,
    "action": {
        "type": "qr_code",
        "qr_content": "https://bank.example/phone/7f3a",
        "expires_at": "2026-01-31T08:15:00.000Z",
    },
}

Terminal = Literal["WEB", "WAP", "APP"]
_TERMINAL: Final = "What the payer holds: a browser, a phone's browser, an app."


class ConsultBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /orders/{order_no}/payment-methods; everything is optional."""

    terminal: Annotated[Terminal, shown(_TERMINAL)] = "WEB"
    payer_token: (
        Annotated[
            str,
            shown(
                "The payer's agreement with you: `BALANCE` then says whether it can pay this.",
                pattern=STORABLE_PATTERN,
            ),
        ]
        | None
    ) = None
    locale: Annotated[
        str,
        msgspec.Meta(
            max_length=35,
            description="Language of `name`: `zh` and what begins with it is Chinese, all else English.",
            extra_json_schema={"pattern": STORABLE_PATTERN},
        ),
    ] = "zh-hans"


class MethodList(msgspec.Struct, frozen=True):
    """Every method of the catalogue, the offered ones first."""

    methods: Annotated[list[MethodOffer], shown("What can be had comes first.")]


class PayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /orders/{order_no}/pay.

    `use_balance` takes from the payer's balance first and the rest by `method`, in one payment: the least of the
    balance, the agreement's limits and the amount. `balance_amount` takes exactly so much. Both need
    `options.payer_token`; give one of them or none.
    """

    method: Annotated[Method, shown("How the payer pays.")]
    terminal: Annotated[Terminal, shown(_TERMINAL)] = "WEB"
    use_balance: Annotated[bool, shown("Take what the balance gives, the rest by `method`.")] = (
        False
    )
    balance_amount: (
        Annotated[int, amount_of("Take exactly so much of the balance.", least=1)] | None
    ) = None
    options: Annotated[PayOptions | None, shown("What the method needs.")] = None


class PaymentMethods(HotMerchantView):
    """/orders/{order_no}/payment-methods"""

    @operation(
        name="list_payment_methods",
        summary="Ask which methods an order can be paid with",
        body=ConsultBody,
        responses={200: MethodList},
        request_example={"terminal": "WEB", "locale": "en"},
        answer_example=_METHODS_EXAMPLE,
        tag="payments",
        path_descriptions=_ORDER_PATH,
    )
    def post(self, request: HttpRequest, order_no: str) -> HttpResponse:
        """List every method, ranked; one that is not offered says why in `reason_code`."""
        body = decode_body(request, ConsultBody)
        asked = get_order(merchant=self.identity, order_no=path_number(order_no, ORDER))
        offers = list_methods(
            order=asked.order,
            merchant_no=self.identity.merchant_no,
            allowed_methods=asked.allowed_methods,
            asked_by="api",
            terminal=body.terminal,
            locale=body.locale,
            payer_ref=asked.payer_ref,
            payer_token=body.payer_token,
            with_cards=True,
        )
        return json_response(MethodList(methods=offers))


class PayOrder(HotMerchantView):
    """/orders/{order_no}/pay"""

    @operation(
        name="pay_order",
        summary="Pay an order server-to-server",
        body=PayBody,
        responses={200: PayResult},
        request_example={"method": "QR_CODE"},
        answer_example=_PAY_EXAMPLE,
        errors=(
            OrderAlreadyPaid,
            OrderClosed,
            OrderClosing,
            OrderFailed,
            PaymentInProgress,
            MethodUnavailable,
            PayerTokenInvalid,
            CardTokenInvalid,
            RiskRejected,
            RiskPending,
            PayerConfirmationRequired,
        ),
        tag="payments",
        path_descriptions=_ORDER_PATH,
    )
    def post(self, request: HttpRequest, order_no: str) -> HttpResponse:
        """Start a payment, or return the one that is under way with the same method and options.

        `PAYING` also stands for a result that is not known yet: query the order or wait for the webhook.
        """
        body = decode_body(request, PayBody)
        result = pay_order(
            PayCommand(
                order_no=path_number(order_no, ORDER),
                method=body.method,
                options=body.options or PayOptions(),
                cause="api",
                key_id=self.identity.key_id,
                use_balance=body.use_balance,
                balance_amount=body.balance_amount,
                terminal=body.terminal,
            )
        )
        return json_response(result)
