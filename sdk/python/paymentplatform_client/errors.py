"""What the platform refuses, as exceptions: branch on ``code`` and ``action``, never on texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What to do next, as the platform says."""

    FIX_REQUEST = "FIX_REQUEST"
    RETRY_SAME = "RETRY_SAME"
    RETRY_LATER = "RETRY_LATER"
    QUERY = "QUERY"
    CONTACT = "CONTACT"


class ErrorCode(StrEnum):
    """The codes that this client's calls may meet. New ones may come: ``ApiError.code`` is a plain text."""

    CARD_TOKEN_INVALID = "card_token_invalid"  # noqa: S105 - a code, not a password
    FORBIDDEN = "forbidden"
    INSUFFICIENT_MERCHANT_BALANCE = "insufficient_merchant_balance"
    INTERNAL_ERROR = "internal_error"
    INVALID_REQUEST = "invalid_request"
    METHOD_UNAVAILABLE = "method_unavailable"
    NOT_FOUND = "not_found"
    NO_DELIVERY_TARGET = "no_delivery_target"
    ORDER_ALREADY_PAID = "order_already_paid"
    ORDER_CLOSED = "order_closed"
    ORDER_CLOSING = "order_closing"
    ORDER_CONFLICT = "order_conflict"
    ORDER_FAILED = "order_failed"
    ORDER_NOT_PAID = "order_not_paid"
    PAYER_TOKEN_INVALID = "payer_token_invalid"  # noqa: S105 - a code, not a password
    PAYLOAD_TOO_LARGE = "payload_too_large"
    PAYMENT_IN_PROGRESS = "payment_in_progress"
    RATE_LIMITED = "rate_limited"
    REFUND_CONFLICT = "refund_conflict"
    REFUND_EXCEEDS_PAID = "refund_exceeds_paid"
    REFUND_LIMIT_REACHED = "refund_limit_reached"
    REFUND_NOT_SUPPORTED = "refund_not_supported"
    REFUND_WINDOW_OVER = "refund_window_over"
    UNAUTHENTICATED = "unauthenticated"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One refused field; ``field`` is a dotted path."""

    field: str
    code: str
    detail: str


class ApiError(Exception):
    """The platform said no. A ``status`` below 500 means that nothing has happened."""

    def __init__(
        self, *, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.action = read_action(problem.get("action"), status)
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.retry_after_s = retry_after_s
        self.errors = tuple(
            FieldFault(str(item["field"]), str(item["code"]), str(item["detail"]))
            for item in problem.get("errors", ())
        )
        super().__init__(f"{status} {self.code}: {self.detail} ({self.request_id})")


class InvalidRequest(ApiError):
    """400: ``errors`` names every refused field."""


class Unauthenticated(ApiError):
    """401: no key, or one that is wrong or revoked."""


class PermissionRefused(ApiError):
    """403: the key is right, this is not allowed."""


class NotFound(ApiError):
    """404: no such object of yours."""


class Conflict(ApiError):
    """409: the present state contradicts the request; ``code`` says which way."""


class RateLimited(ApiError):
    """429: wait ``retry_after_s``."""


class ResultUnknown(Exception):
    """No answer that can be trusted, after every try. It may have taken effect: ask, with the same number.

    The last trouble is its ``__cause__``.
    """


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: PermissionRefused,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}


def build_error(
    *, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None
) -> ApiError:
    """Make the exception for an answer that is no success."""
    kind = _BY_STATUS.get(status, ApiError)
    return kind(status=status, problem=problem, retry_after_s=retry_after_s)


def read_action(text: Any, status: int) -> Action:
    """Read the action; what a proxy between us answers has none, and then the status tells."""
    try:
        return Action(text)
    except ValueError:
        return Action.QUERY if status >= 500 else Action.FIX_REQUEST
