"""What every list of the API has in common: cursors, periods, pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.http import HttpResponse

from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.numbers import is_number


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body or query in which nothing is required: it may be absent or an empty object."""


class PeriodQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every list takes: when its objects were made, how many, and where to go on."""

    created_from: Annotated[str, fields.shown("From then on.", format="date-time")] | None = None
    created_to: Annotated[str, fields.shown("Before then.", format="date-time")] | None = None
    limit: fields.Limit = 20
    cursor: fields.Cursor | None = None

    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return both ends, each optional. Raises InvalidRequest."""
        return parse_period(self.created_from, self.created_to)


def parse_time(field: str, text: str | None) -> datetime | None:
    """Read an RFC 3339 time with offset. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise build_fault(
            field, "an RFC 3339 time with offset, such as 2026-01-31T00:00:00Z (write + as %2B)"
        ) from None
    return at


def parse_period(
    created_from: str | None, created_to: str | None
) -> tuple[datetime | None, datetime | None]:
    """Read both ends of a period, each optional: from (included) and to (not included). Raises InvalidRequest."""
    start, end = parse_time("created_from", created_from), parse_time("created_to", created_to)
    if start is not None and end is not None and start > end:
        detail = "must not be before created_from"
        raise InvalidRequest(
            f"created_to {detail}.", errors=(FieldError("created_to", "conflict", detail),)
        )
    return start, end


def check_number(field: str, value: str | None, prefix: str) -> str | None:
    """Return a number of ours that filters a list. Raises InvalidRequest for what can be none."""
    if value is not None and not is_number(value, prefix):
        raise build_fault(field, f"a number of ours, {prefix}_…")
    return value


def check_cursor(value: str | None, prefix: str) -> str | None:
    """Return a list's cursor. Raises InvalidRequest for one of another list, or of none."""
    if value is not None and not is_number(value, prefix):
        raise build_fault("cursor", "the next_cursor of a page of this list")
    return value


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


def encode_page(page: list[Any], following: str | None) -> HttpResponse:
    """Answer with one page of a list of structs."""
    return page_response([msgspec.json.encode(item) for item in page], following)
