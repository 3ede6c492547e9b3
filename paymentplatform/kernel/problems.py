"""Errors as answers: RFC 9457 ``application/problem+json``, and nothing of the inside in them."""

from __future__ import annotations

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
    """One refused field; ``field`` is a dotted path, empty for the body itself."""

    field: str
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """Every error answer of the API. A 4xx one means that nothing has happened."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    action: Action
    request_id: str
    errors: list[ProblemField]


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
        detail=error.detail,
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
    return response
