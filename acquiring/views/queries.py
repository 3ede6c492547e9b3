"""What the queries of several lists have in common; most of it lives in the kernel, since checkout has lists too."""

from __future__ import annotations

from acquiring.services.order_rules import MERCHANT_NUMBER
from paymentplatform.kernel.lists import (
    NoBody,
    PeriodQuery,
    build_fault,
    check_cursor,
    check_number,
    encode_page,
    page_response,
    parse_period,
    parse_time,
    rendered_response,
)

__all__ = [
    "NoBody",
    "PeriodQuery",
    "build_fault",
    "check_cursor",
    "check_merchant_number",
    "check_number",
    "encode_page",
    "page_response",
    "parse_period",
    "parse_time",
    "rendered_response",
]


def check_merchant_number(field: str, value: str | None) -> str | None:
    """Return a merchant's own number that filters a list. Raises InvalidRequest for what can be none."""
    if value is not None and not MERCHANT_NUMBER.match(value):
        raise build_fault(field, "1 to 64 characters of A-Z a-z 0-9 _ - .")
    return value
