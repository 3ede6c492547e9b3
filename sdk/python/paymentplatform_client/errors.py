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
    """Every code of docs/errors.md that the API may answer. New ones may come: ``ApiError.code`` is a plain text."""

    ADDRESS_TOO_LONG = "address_too_long"
    AGREEMENT_ENDED = "agreement_ended"
    CARD_TOKEN_INVALID = "card_token_invalid"  # noqa: S105 - a code, not a password
    CASE_NOT_OPEN = "case_not_open"
    CASE_STILL_NEEDED = "case_still_needed"
    CHANNEL_DISABLED = "channel_disabled"
    CHANNEL_NOT_DISABLED = "channel_not_disabled"
    SECOND_OPERATOR_REQUIRED = "second_operator_required"
    CONFLICT = "conflict"
    DISCREPANCY_NOT_OPEN = "discrepancy_not_open"
    FORBIDDEN = "forbidden"
    HEADERS_TOO_LARGE = "headers_too_large"
    IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INSUFFICIENT_AVAILABLE = "insufficient_available"
    KEY_REFERENCE_USED = "key_reference_used"
    INSUFFICIENT_MERCHANT_BALANCE = "insufficient_merchant_balance"
    INTERNAL_ERROR = "internal_error"
    INVALID_REQUEST = "invalid_request"
    LATE_MONEY_NOT_ASKED = "late_money_not_asked"
    LATE_MONEY_NOT_HELD = "late_money_not_held"
    LATE_MONEY_NOT_OPEN = "late_money_not_open"
    LATE_MONEY_NOT_PULLED_BACK = "late_money_not_pulled_back"
    LATE_MONEY_NOT_REFUNDABLE = "late_money_not_refundable"
    LATE_MONEY_ORDER_PAYING = "late_money_order_paying"
    LATE_MONEY_PULLED_BACK = "late_money_pulled_back"
    MERCHANT_ON_HOLD = "merchant_on_hold"
    MERCHANT_REFERENCE_USED = "merchant_reference_used"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    METHOD_UNAVAILABLE = "method_unavailable"
    NOT_FOUND = "not_found"
    NO_CHANNEL = "no_channel"
    NO_DELIVERY_TARGET = "no_delivery_target"
    ORDER_ALREADY_PAID = "order_already_paid"
    ORDER_CLOSED = "order_closed"
    ORDER_CLOSING = "order_closing"
    ORDER_CONFLICT = "order_conflict"
    ORDER_FAILED = "order_failed"
    ORDER_NOT_PAID = "order_not_paid"
    PAYER_CONFIRMATION_REQUIRED = "payer_confirmation_required"
    PAYER_TOKEN_INVALID = "payer_token_invalid"  # noqa: S105 - a code, not a password
    PAYLOAD_TOO_LARGE = "payload_too_large"
    PAYMENT_IN_PROGRESS = "payment_in_progress"
    PAYMENT_PASSWORD_LOCKED = "payment_password_locked"  # noqa: S105 - a code, not a password
    PAYOUT_NOT_OPEN = "payout_not_open"
    RATE_LIMITED = "rate_limited"
    REFUND_CONFLICT = "refund_conflict"
    REFUND_EXCEEDS_PAID = "refund_exceeds_paid"
    REFUND_LIMIT_REACHED = "refund_limit_reached"
    REFUND_NOT_SUPPORTED = "refund_not_supported"
    REFUND_WINDOW_OVER = "refund_window_over"
    RESOLUTION_NOT_POSSIBLE = "resolution_not_possible"
    REVIEW_ENDED = "review_ended"
    RISK_PENDING = "risk_pending"
    RISK_REJECTED = "risk_rejected"
    ROUTE_BOOK_OUTDATED = "route_book_outdated"
    SETTLEMENT_HOLD_NOT_ACTIVE = "settlement_hold_not_active"
    STATEMENT_MISSING = "statement_missing"
    STATEMENT_NOT_READY = "statement_not_ready"
    STATEMENT_REFUSED = "statement_refused"
    UNAUTHENTICATED = "unauthenticated"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    WEBHOOK_SECRET_STILL_SIGNS = "webhook_secret_still_signs"  # noqa: S105 - a code, not a secret
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint_disabled"
    WEBHOOK_ENDPOINT_LIMIT_REACHED = "webhook_endpoint_limit_reached"
    WRONG_PAYMENT_PASSWORD = "wrong_payment_password"  # noqa: S105 - a code, not a password


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
        # A detail such as "The order is not valid." names no field; a log line should.
        faults = [f"{f.field}: {f.detail}" for f in self.errors if f.detail not in self.detail]
        said = " ".join([self.detail, *(f"[{fault}]" for fault in faults)])
        super().__init__(f"{status} {self.code}: {said} ({self.request_id})")


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


class BrokenStatement(Exception):
    """A statement that broke off, or whose end does not fit what came before: nothing of it counts, get it again."""


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
