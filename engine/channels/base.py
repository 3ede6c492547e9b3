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
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How many seconds each call takes at most, from its start to the last byte of its answer.

    A limit is for the whole call, never for each wait inside it: an institution that sends a byte now and then
    must not hold a thread (``engine.channels.transport`` does this over HTTP).
    """

    pay_s: float = 8.0
    query_s: float = 5.0
    close_s: float = 8.0
    refund_s: float = 8.0
    query_refund_s: float = 5.0
    fetch_statement_s: float = 30.0


STANDARD_TIME_LIMITS: Final = TimeLimits()


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
    """What a channel can do beyond ``query``: the methods it takes, and the calls it knows.

    CHALLENGE: asked by ``options.challenge`` = ``required``, it makes the payer prove himself before a card is charged
    (3-D Secure), whatever the card.
    """

    QR_CODE = "QR_CODE"
    WALLET = "WALLET"
    NET_BANKING = "NET_BANKING"
    BANK_CARD = "BANK_CARD"
    CLOSE = "CLOSE"
    REFUND = "REFUND"
    NOTIFY = "NOTIFY"
    STATEMENT = "STATEMENT"
    CHALLENGE = "CHALLENGE"


@dataclass(frozen=True, slots=True)
class PaymentOption:
    """A bank or wallet that the payer can choose inside a method; ``code`` is what comes in ``PayRequest.options``."""

    code: str
    name_en: str
    name_zh: str


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
    first. ``payee`` is the merchant's name, for the payer's eyes. ``metadata`` is the merchant's, passed on untouched.
    ``card_owner`` is an opaque name of the payer at this merchant: set when the institution's page may offer to save
    the card, and when ``options.card_token`` is one that was saved for this owner.
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
    payee: str = ""
    card_owner: str | None = None
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
class SavedCardData:
    """A card that the payer ticked to be saved. ``token`` is the channel's: worth money, so never printed."""

    token: str = field(repr=False)
    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """What the institution said, verified. ``amount`` and ``currency`` are its own words (None when not said).

    ``failure_code`` is one of ours (see the adapter's map); ``retriable`` marks a definite decline after which
    another channel may be tried. ``raw`` is a redacted copy for the record; of an UNKNOWN it says why. ``saved_card``
    comes with a success whose payer wished it, on every such answer.
    """

    outcome: Outcome
    channel_trade_no: str | None = None
    amount: int | None = None
    currency: str | None = None
    failure_code: str | None = None
    retriable: bool = False
    action: PayerActionData | None = None
    saved_card: SavedCardData | None = None
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
    """One contract with one institution. ``code`` is the channel code of accounts, callbacks and statements.

    ``payment_options`` names the banks and wallets of a method (one that is not in it has none to choose). Every call
    that waits ends within its limit of ``time_limits``. A call whose capability is not declared answers UNKNOWN
    (``fetch_statement``: StatementUnavailable) without asking anybody.
    """

    @property
    def code(self) -> str:
        """The channel code."""

    @property
    def merchant_account(self) -> str:
        """Our account at the institution, as its callbacks name it."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""

    @property
    def payment_options(self) -> Mapping[Capability, tuple[PaymentOption, ...]]:
        """The banks and wallets to choose from."""

    @property
    def time_limits(self) -> TimeLimits:
        """How long each call may take."""

    def pay(self, request: PayRequest) -> ChannelAnswer:
        """Ask for a charge. Never raises for what the institution did."""

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask what became of a request."""

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask to accept no more money: CLOSED when accepted, SUCCEEDED when it was already paid."""

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask to give money back; repeating the same ``refund_no`` never refunds twice.

        FAILED only when this number has had no effect and never will; a refusal that may hide an earlier success of
        the same number is UNKNOWN. SUCCEEDED says the refunded amount and currency.
        """

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask what became of a refund: NOT_FOUND only when the institution has never had this number."""

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
