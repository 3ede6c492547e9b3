"""Named refusals: every anticipated failure of the platform is a class with a stable code.

The HTTP edge (``paymentplatform.exception_handler``) is the only place that turns them into answers.
Pure: imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Action(StrEnum):
    """What the caller should do next (RFC 9457 extension member ``action``)."""

    FIX_REQUEST = "FIX_REQUEST"
    RETRY_SAME = "RETRY_SAME"
    RETRY_LATER = "RETRY_LATER"
    QUERY = "QUERY"
    CONTACT = "CONTACT"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of the request that was refused; ``field`` is a dotted path, empty for the body itself."""

    field: str
    code: str
    detail: str


class DomainError(Exception):
    """A refusal with a stable ``code``. A 4xx one promises that nothing has happened.

    Subclasses fix ``code``, ``status``, ``title`` and ``action``; ``detail`` says what was wrong this time.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    action: ClassVar[Action] = Action.QUERY
    final: ClassVar[bool] = False
    """Whether nothing that happens later lets the same request succeed: then an Idempotency-Key keeps this answer."""

    declared: ClassVar[dict[str, type[DomainError]]] = {}
    """Every class by its code."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__:
            known = DomainError.declared.setdefault(cls.code, cls)
            if known.__qualname__ != cls.__qualname__:
                message = f"error code {cls.code!r} is declared twice: {known!r}, {cls!r}"
                raise TypeError(message)

    def __init__(
        self,
        detail: str = "",
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors
        self.retry_after_s = retry_after_s


class InvalidRequest(DomainError):
    """The request can never succeed as it is."""

    code = "invalid_request"
    status = 400
    title = "The request is not valid"
    action = Action.FIX_REQUEST


class Unauthenticated(DomainError):
    """No credential, or one that is wrong, revoked or expired, or your account is set to signed requests only.

    The same answer for every cause.
    """

    code = "unauthenticated"
    status = 401
    title = "Valid credentials are required"
    action = Action.FIX_REQUEST


class PermissionRefused(DomainError):
    """The caller is known but may not do this."""

    code = "forbidden"
    status = 403
    title = "This is not allowed"
    action = Action.CONTACT


class NotFound(DomainError):
    """There is no such object, or it belongs to somebody else (the answer does not tell which)."""

    code = "not_found"
    status = 404
    title = "Not found"
    action = Action.FIX_REQUEST


class MethodNotAllowed(DomainError):
    """The path exists but not with this HTTP method."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    action = Action.FIX_REQUEST


class Conflict(DomainError):
    """The object's state, or an earlier request, contradicts this one."""

    code = "conflict"
    status = 409
    title = "The request conflicts with the present state"
    action = Action.QUERY


class IdempotencyKeyInUse(Conflict):
    """A request under the same Idempotency-Key is being answered; repeat it after the header ``Retry-After``.

    It is usually done within seconds. If whoever was to answer has died, a repetition takes over after 60 s.
    """

    code = "idempotency_key_in_use"
    title = "A request with this Idempotency-Key is still running"
    action = Action.RETRY_SAME


class IdempotencyKeyReused(DomainError):
    """The Idempotency-Key was used at this address with another request. Nothing has happened now."""

    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key belongs to a different request"
    action = Action.FIX_REQUEST


class AddressTooLong(DomainError):
    """The path or the query string is over the limit; the body was not read."""

    code = "address_too_long"
    status = 414
    title = "The address is too long"
    action = Action.FIX_REQUEST


class HeadersTooLarge(DomainError):
    """The headers are too many or too large; the body was not read."""

    code = "headers_too_large"
    status = 431
    title = "The headers are too large"
    action = Action.FIX_REQUEST


class PayloadTooLarge(DomainError):
    """The body is over the limit; it was not read."""

    code = "payload_too_large"
    status = 413
    title = "The body is too large"
    action = Action.FIX_REQUEST


class UnsupportedMediaType(DomainError):
    """Only ``application/json`` is read."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    action = Action.FIX_REQUEST


class RateLimited(DomainError):
    """Too many requests; there is room again after as many seconds as the header ``Retry-After`` says."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"
    action = Action.RETRY_LATER


class Unavailable(DomainError):
    """Something we need did not answer. Whether the request took effect is unknown to the caller."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    action = Action.RETRY_SAME


def error_for_code(code: str, detail: str = "") -> DomainError:
    """Build the named error for a ``code`` raised inside the database; an unknown code becomes a Conflict."""
    return DomainError.declared.get(code, Conflict)(detail)


def all_error_classes() -> dict[str, type[DomainError]]:
    """Every declared code with its class, for the documentation and its test."""
    return dict(sorted(DomainError.declared.items()))
