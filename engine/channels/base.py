"""The channel contract: what an adapter is given, what it must answer, and what it may never do.

An adapter translates, signs, calls with a time limit and parses. It never opens the database, never imports
another adapter and never raises for what an institution did: a "no" and a silence are values (``Outcome``).
Pure: imports no framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

PAY_TIMEOUT_S = 8.0
CLOSE_TIMEOUT_S = 8.0
REFUND_TIMEOUT_S = 8.0
QUERY_TIMEOUT_S = 5.0


class Outcome(StrEnum):
    """What an answer amounts to. Only SUCCEEDED and FAILED are definite.

    UNKNOWN: no answer, a broken one, or one whose signature does not verify. NOT_SENT: this process itself saw
    the connection refused before a byte left. NOT_FOUND: the institution says it has no such request.
    CLOSED: the institution has closed the request and will refuse a later pay (a tombstone).
    """

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PENDING = "PENDING"
    UNKNOWN = "UNKNOWN"
    NOT_FOUND = "NOT_FOUND"
    NOT_SENT = "NOT_SENT"
    CLOSED = "CLOSED"


class Capability(StrEnum):
    """What a channel can do beyond ``pay`` and ``query``; undeclared calls are never made."""

    QR_CODE = "QR_CODE"
    WALLET = "WALLET"
    NET_BANKING = "NET_BANKING"
    BANK_CARD = "BANK_CARD"
    CLOSE = "CLOSE"
    REFUND = "REFUND"
    NOTIFY = "NOTIFY"
    STATEMENT = "STATEMENT"


@dataclass(frozen=True, slots=True)
class PayerActionData:
    """What the payer has to do next. ``type``: none, redirect, qr_code or form (see the merchant API)."""

    type: str
    url: str | None = None
    qr_content: str | None = None
    expires_at: str | None = None
    fields: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PayRequest:
    """One request to charge. ``request_no`` is our attempt's number, the same on every query and close.

    ``amount`` is in minor units. ``expires_at`` is earlier than our own deadline, so that the institution stops
    first. ``metadata`` is the merchant's, passed on untouched.
    """

    request_no: str
    payment_no: str
    order_no: str
    method: str
    amount: int
    currency: str
    subject: str
    expires_at: datetime
    notify_url: str
    return_url: str
    options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptReference:
    """Names one earlier pay request, for query and close."""

    request_no: str
    payment_no: str
    order_no: str
    amount: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give back ``amount`` minor units of an earlier charge; ``refund_no`` stays the same on every repeat."""

    refund_no: str
    attempt: AttemptReference
    channel_trade_no: str
    amount: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """What the institution said, verified. ``amount`` and ``currency`` are its own words (None when not said).

    ``failure_code`` is one of ours (see the adapter's map); ``retriable`` marks a definite decline after which
    another channel may be tried. ``raw`` is a redacted copy for the record.
    """

    outcome: Outcome
    channel_trade_no: str | None = None
    amount: int | None = None
    currency: str | None = None
    failure_code: str | None = None
    retriable: bool = False
    action: PayerActionData | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """A verified callback: which request it is about and what it says.

    Exactly one of ``request_no`` and ``refund_no`` is set. ``merchant_account`` is the channel merchant id the
    institution wrote, which must be ours.
    """

    answer: ChannelAnswer
    request_no: str | None = None
    refund_no: str | None = None
    merchant_account: str | None = None


class NotificationRefused(Exception):
    """The callback is unsigned, wrongly signed, stale or unreadable. Nothing may follow from it."""


class StatementUnavailable(Exception):
    """The institution did not give its file of this day: not ready, no answer, or one not verified."""


class Channel(Protocol):
    """One contract with one institution. ``code`` is the channel code of accounts, callbacks and statements."""

    code: str
    merchant_account: str
    capabilities: frozenset[Capability]

    def pay(self, request: PayRequest) -> ChannelAnswer:
        """Ask for a charge; PAY_TIMEOUT_S at most. Never raises for what the institution did."""

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask what became of a request; QUERY_TIMEOUT_S at most."""

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask to accept no more money: CLOSED when accepted, SUCCEEDED when it was already paid."""

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask to give money back; repeating the same ``refund_no`` never refunds twice."""

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask what became of a refund."""

    def parse_notification(
        self, *, headers: Mapping[str, str], body: bytes, received_at: datetime | None = None
    ) -> Notification:
        """Verify the signature over the raw bytes, then read. Raises NotificationRefused.

        ``received_at`` is when we received what is looked at again: it must have been fresh then (None: now).
        """

    def fetch_statement(self, *, statement_date: date) -> bytes:
        """Fetch the institution's file of one day. Raises StatementUnavailable."""

    def acknowledge(self) -> tuple[bytes, str]:
        """The body and content type that tell the institution its callback was taken in."""
