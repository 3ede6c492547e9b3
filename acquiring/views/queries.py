"""What the queries of several lists have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from django.http import HttpResponse

from paymentplatform.kernel.errors import FieldError, InvalidRequest


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body or query in which nothing is required: it may be absent or an empty object."""


def parse_time(field: str, text: str | None) -> datetime | None:
    """Read an RFC 3339 time with offset. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise build_fault(
            field, "an RFC 3339 time with offset, such as 2026-01-31T00:00:00Z (write + as %2B)"
        ) from None


def build_fault(field: str, detail: str) -> InvalidRequest:
    """Make the refusal of one field that has not the form it must have."""
    return InvalidRequest(f"{field} is not valid.", errors=(FieldError(field, "format", detail),))


def rendered_response(body: bytes, status: int) -> HttpResponse:
    """Answer with JSON that the database has rendered."""
    return HttpResponse(body, status=status, content_type="application/json")


def page_response(page: list[bytes], following: str | None) -> HttpResponse:
    """Answer with one page of a list whose objects the database has rendered."""
    tail = msgspec.json.encode({"has_more": following is not None, "next_cursor": following})
    return rendered_response(b'{"data":[' + b",".join(page) + b"]," + tail[1:], 200)
