"""What the queries of several lists have in common; it lives in the kernel, since checkout has lists too."""

from paymentplatform.kernel.lists import (
    NoBody,
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
    "build_fault",
    "check_cursor",
    "check_number",
    "encode_page",
    "page_response",
    "parse_period",
    "parse_time",
    "rendered_response",
]
