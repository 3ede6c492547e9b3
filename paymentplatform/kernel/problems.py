"""Errors as answers: RFC 9457 ``application/problem+json``, and nothing of the inside in them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import psycopg
import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.utils.http import http_date

from paymentplatform.kernel import context, numbers
from paymentplatform.kernel.errors import (
    Action,
    DomainError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    PermissionRefused,
    Unauthenticated,
    Unavailable,
)
from paymentplatform.kernel.fields import number_of, shown
from paymentplatform.kernel.hotsql import refusal_of

CONTENT_TYPE = "application/problem+json"

_log = structlog.get_logger(__name__)

_KNOWN: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], type[DomainError]], ...
] = (
    (Http404, NotFound),
    (RequestDataTooBig, PayloadTooLarge),
    ((SuspiciousOperation, BadRequest, UnreadablePostError), InvalidRequest),
    (PermissionDenied, PermissionRefused),
)
_DATABASE_TROUBLE = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)


class ProblemField(msgspec.Struct, frozen=True):
    """One refused field."""

    field: Annotated[str, shown("Its dotted path, such as `metadata.table`; empty for the body.")]
    code: Annotated[str, shown("What is wrong with it; the list stands with the error codes.")]
    detail: Annotated[str, shown("The same for people.")]


class Problem(msgspec.Struct, frozen=True):
    """Every error answer of the API (RFC 9457). A 4xx one means that nothing has happened."""

    type: Annotated[str, shown("The page that explains the code.", format="uri")]
    title: Annotated[str, shown("The code for people.")]
    status: Annotated[int, shown("The HTTP status again.", minimum=400, maximum=599)]
    detail: Annotated[str, shown("What was wrong this time; for people.")]
    code: Annotated[str, shown("What to branch on.")]
    action: Annotated[Action, shown("What to do next.")]
    request_id: Annotated[str, number_of(numbers.REQUEST, "Name it when you ask us about it.")]
    errors: Annotated[list[ProblemField], shown("Every refused field; may be empty.")]


def name_error(error: BaseException) -> DomainError:
    """Return the named error for any exception; log, once, those that nobody expected.

    A lock wait or connection that ended is Unavailable: what became of the request is unknown to the caller.
    """
    if isinstance(error, DomainError):
        return error
    if (refusal := refusal_of(error)) is not None:
        return refusal
    for kinds, named in _KNOWN:
        if isinstance(error, kinds):
            return named()
    if isinstance(error, _DATABASE_TROUBLE):
        sqlstate = getattr(error.__cause__ or error, "sqlstate", None)
        _log.warning("database_unavailable", sqlstate=sqlstate, error=type(error).__name__)
        return Unavailable(retry_after_s=1)
    _log.error("unexpected_error", exc_info=error)
    return DomainError()


def problem_response(error: DomainError, request_id: str | None = None) -> HttpResponse:
    """Answer with the error; ``request_id`` is the present request's unless given."""
    number = request_id or context.request_id.get() or numbers.new_number(numbers.REQUEST)
    problem = Problem(
        type=f"{settings.BASE_URL}/api/errors#{error.code}",
        title=error.title,
        status=error.status,
        detail=_tell_time(error) if isinstance(error, Unauthenticated) else error.detail,
        code=error.code,
        action=error.action,
        request_id=number,
        errors=[ProblemField(item.field, item.code, item.detail) for item in error.errors],
    )
    response = HttpResponse(
        msgspec.json.encode(problem), status=error.status, content_type=CONTENT_TYPE
    )
    response["X-Request-Id"] = number
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        response["WWW-Authenticate"] = "Bearer"
        response["Date"] = http_date()
    return response


def _tell_time(error: Unauthenticated) -> str:
    """Say beside a refused credential what our clock shows: whoever signs by a wrong one can then correct himself."""
    now = int(time.time())
    return f"{error.detail}. The server's time is {datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ} ({now})."
