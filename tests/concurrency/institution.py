"""An institution in memory that keeps its word: charged or closed, never both. For races inside one process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

from engine.channels.base import (
    STANDARD_TIME_LIMITS,
    AttemptReference,
    Capability,
    Channel,
    ChannelAnswer,
    Notification,
    NotificationRefused,
    Outcome,
    PayerActionData,
    PaymentOption,
    PayRequest,
    RefundRequest,
)

_PATIENCE_S = 2.0


class WordKeeper:
    """Every request is PENDING until the payer is charged or the platform closes it, whoever comes first."""

    code = "wordkeeper"
    merchant_account = "acct-1"
    capabilities = frozenset({Capability.QR_CODE, Capability.CLOSE})
    payment_options: Mapping[Capability, tuple[PaymentOption, ...]] = {}
    time_limits = STANDARD_TIME_LIMITS
    setting_names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._book: dict[str, Outcome] = {}
        self._amounts: dict[str, tuple[int, str]] = {}
        self._moments: defaultdict[tuple[str, str], threading.Event] = defaultdict(threading.Event)

    def build(self, values: Mapping[str, Any]) -> Channel:
        """Be its own factory, so that tests can reach the book."""
        return self

    def charge(self, request_no: str) -> ChannelAnswer | None:
        """The payer pays: the answer to send as a notification, or None when the request was closed before."""
        with self._lock:
            if self._book[request_no] == Outcome.CLOSED:
                return None
            self._book[request_no] = Outcome.SUCCEEDED
        return self._tell(request_no)

    def wait_for(self, request_no: str, moment: str) -> None:
        """Let the payer wait until the platform has begun to "query" or "close" this request."""
        self._moments[request_no, moment].wait(_PATIENCE_S)

    def was_charged(self, request_no: str) -> bool:
        """Whether the payer's money was taken."""
        return self._book[request_no] == Outcome.SUCCEEDED

    def pay(self, request: PayRequest) -> ChannelAnswer:
        """Show a code to scan."""
        with self._lock:
            self._book[request.request_no] = Outcome.PENDING
            self._amounts[request.request_no] = (request.amount, request.currency)
        action = PayerActionData(type="qr_code", qr_content=f"qr://{request.request_no}")
        return ChannelAnswer(outcome=Outcome.PENDING, action=action)

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        """Tell what the book says."""
        self._moments[attempt.request_no, "query"].set()
        return self._tell(attempt.request_no)

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        """Take no more money, unless it was taken already."""
        self._moments[attempt.request_no, "close"].set()
        with self._lock:
            if self._book.get(attempt.request_no) == Outcome.PENDING:
                self._book[attempt.request_no] = Outcome.CLOSED
        return self._tell(attempt.request_no)

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        """Not needed here."""
        return ChannelAnswer(outcome=Outcome.UNKNOWN)

    query_refund = refund

    def parse_notification(self, *, headers: Mapping[str, str], body: bytes) -> Notification:
        """Notifications come through the funnel directly."""
        raise NotificationRefused

    def fetch_statement(self, *, statement_date: date) -> bytes:
        """Not needed here."""
        return b""

    def acknowledge(self) -> tuple[bytes, str]:
        """Not needed here."""
        return b"success", "text/plain"

    def _tell(self, request_no: str) -> ChannelAnswer:
        outcome = self._book.get(request_no, Outcome.NOT_FOUND)
        if outcome != Outcome.SUCCEEDED:
            return ChannelAnswer(outcome=outcome)
        amount, currency = self._amounts[request_no]
        return ChannelAnswer(
            outcome=outcome, channel_trade_no=f"t-{request_no}", amount=amount, currency=currency
        )


class RefundingKeeper(WordKeeper):
    """The same, with an office for refunds that never answers: tests bring its answers themselves."""

    capabilities = WordKeeper.capabilities | {Capability.REFUND}


KEEPER = WordKeeper()
REFUNDER = RefundingKeeper()
