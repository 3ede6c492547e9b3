"""Kinds of values as the API's document shows them: meaning, form and limits, said once for every object.

Nothing here is checked when a body is read: services check what they are given and name every fault at once.
``tests/api_contract`` compares the two by sending what the document allows and what it forbids. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from msgspec import Meta

from paymentplatform.kernel import numbers
from paymentplatform.kernel.money import CURRENCY_EXPONENTS, MAX_AMOUNT

COMPONENT: Final = "x-component"
"""Marks a kind that stands in the document once, under this name (``paymentplatform.openapi_hooks``)."""

NUMBER_BODY: Final = "[0-9a-hjkmnp-tv-z]{22}"
STORABLE_PATTERN: Final = "^[^\\u0000]*$"
"""Of a text that is only looked at: whatever a JSON text can hold but NUL, which no body may."""
MERCHANT_NUMBER_PATTERN: Final = "^[A-Za-z0-9_.\\-]{1,64}$"


def shown(description: str, **schema: Any) -> Meta:
    """Say in the OpenAPI document what a field is and which limits its service keeps."""
    return Meta(description=description, extra_json_schema=schema)


def number_pattern(prefix: str) -> str:
    """Return the pattern of our numbers with this prefix."""
    return f"^{prefix}_{NUMBER_BODY}$"


def number_of(prefix: str, description: str) -> Meta:
    """Describe a field that holds one of our numbers."""
    return shown(description, pattern=number_pattern(prefix))


def choice_of(description: str, values: Iterable[str]) -> Meta:
    """Describe a text that is one of a closed list."""
    return shown(description, enum=[str(value) for value in values])


def text_of(description: str, *, least: int, most: int) -> Meta:
    """Describe a text for people: no control or invisible characters, and not blank where one is required."""
    limits: dict[str, Any] = {"maxLength": most, "format": "line"}
    if least:
        limits |= {"minLength": least, "pattern": "\\S"}
    return shown(f"{description} No control or invisible characters.", **limits)


def amount_of(description: str, *, least: int = 0) -> Meta:
    """Describe an amount in minor units."""
    return shown(f"{description} Minor units.", minimum=least, maximum=MAX_AMOUNT)


OrderNo = Annotated[str, number_of(numbers.ORDER, "Our number of the order.")]
PaymentNo = Annotated[str, number_of(numbers.PAYMENT, "Our number of the payment.")]
DetailNo = Annotated[str, number_of(numbers.DETAIL, "Our number of this part of the payment.")]
RefundNo = Annotated[str, number_of(numbers.REFUND, "Our number of the refund.")]
LateMoneyNo = Annotated[str, number_of(numbers.LATE_MONEY, "Our number of the late money.")]
EventNo = Annotated[str, number_of(numbers.EVENT, "Our number of the event, its `webhook-id`.")]

MerchantOrderNo = Annotated[
    str, shown("Your number of the order.", pattern=MERCHANT_NUMBER_PATTERN)
]
MerchantRefundNo = Annotated[
    str, shown("Your number of the refund.", pattern=MERCHANT_NUMBER_PATTERN)
]

Amount = Annotated[int, amount_of("The amount.", least=1)]
Currency = Annotated[
    str,
    shown(
        "ISO 4217 code. It says how many decimals an amount has: two mostly, none for JPY, KRW and VND, three for"
        " BHD, KWD and OMR.",
        enum=list(CURRENCY_EXPONENTS),
        **{COMPONENT: "Currency"},
    ),
]
Time = Annotated[str, shown("RFC 3339, UTC.", format="date-time")]

Limit = Annotated[int, Meta(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[str, shown("`next_cursor` of the page before; without it the newest.")]
NextCursor = Annotated[str, shown("Pass it as `cursor` for the next page; null on the last one.")]
HasMore = Annotated[bool, shown("Whether a next page exists.")]

_PATH_NUMBERS: Final = {
    "order_no": numbers.ORDER,
    "refund_no": numbers.REFUND,
    "late_money_no": numbers.LATE_MONEY,
    "event_id": numbers.EVENT,
    "endpoint_id": numbers.ENDPOINT,
    "agreement_no": numbers.AGREEMENT,
}


def path_schema(name: str) -> dict[str, Any]:
    """Return the form of a path parameter: a number of ours by its prefix, a day, or some text."""
    if name in _PATH_NUMBERS:
        return {"type": "string", "pattern": number_pattern(_PATH_NUMBERS[name])}
    return {"type": "string", "format": "date"} if name == "date" else {"type": "string"}
