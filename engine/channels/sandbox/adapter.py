"""The adapter of the sandbox institution: translate, sign, call with a time limit, verify, parse.

What the institution's answers mean to us is written down here once: ``FAILURES`` maps its codes to ours and
says which of them allow another channel to be tried. Whatever cannot be read with certainty is UNKNOWN.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from engine.channels.base import (
    CLOSE_TIMEOUT_S,
    PAY_TIMEOUT_S,
    QUERY_TIMEOUT_S,
    REFUND_TIMEOUT_S,
    AttemptReference,
    Capability,
    ChannelAnswer,
    Notification,
    NotificationRefused,
    Outcome,
    PayerActionData,
    PayRequest,
    RefundRequest,
    StatementUnavailable,
)
from engine.channels.sandbox import codec
from engine.channels.sandbox.transport import NeverSent, NoAnswer, fetch, open_client

STATEMENT_TIMEOUT_S: Final = 30.0
RAW_LIMIT: Final = 4_096
_ACKNOWLEDGEMENT: Final = (b"success", "text/plain")
_NOT_SENT_SCENARIO: Final = "not_sent"

FAILURES: Final[dict[str, tuple[str, bool]]] = {
    "CARD_DECLINED": ("declined", False),
    "CARD_INVALID": ("card_invalid", False),
    "INSUFFICIENT_FUNDS": ("insufficient_funds", False),
    "PAYER_DECLINED": ("payer_declined", False),
    "ACQUIRER_BUSY": ("channel_unavailable", True),
    "BAD_REQUEST": ("request_refused", False),
    "REFUND_REFUSED": ("refund_refused", False),
    "REFUND_EXCEEDS_CHARGE": ("refund_exceeds_charge", False),
    "CHARGE_NOT_FOUND": ("charge_not_found", False),
}
"""The institution's codes: ours, and whether another channel may be tried after it."""

_OUTCOMES: Final = {
    "SUCCEEDED": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
    "PENDING": Outcome.PENDING,
    "NOT_FOUND": Outcome.NOT_FOUND,
    "CLOSED": Outcome.CLOSED,
}
_REFUSED_FOR_GOOD: Final = frozenset({"BAD_REQUEST", "CHARGE_NOT_FOUND"})
"""Refusals of a request that prove that it had, and will have, no effect (if it asked for one)."""

_ACTIONS: Final = {"qr_code", "redirect"}
_UNKNOWN: Final = ChannelAnswer(outcome=Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class SandboxFactory:
    """Builds the adapter of one acquirer from plain values; this is what the setting CHANNELS names."""

    code: str
    setting_names: tuple[str, ...] = ("SANDBOX_URL", "SANDBOX_SIGNING_KEY", "SANDBOX_API_URL")

    def build(self, values: Mapping[str, str]) -> SandboxChannel:
        """Build the channel. SANDBOX_API_URL is by default the port after that of SANDBOX_URL."""
        return SandboxChannel(
            code=self.code,
            signing_key=values["SANDBOX_SIGNING_KEY"],
            api_url=values.get("SANDBOX_API_URL") or api_url_of(values["SANDBOX_URL"]),
        )


SANDBOX: Final = SandboxFactory(code="sandbox")
SANDBOX2: Final = SandboxFactory(code="sandbox2")


def api_url_of(sandbox_url: str) -> str:
    """Return the address of the API: the port after that of the institution's pages."""
    parts = urlsplit(sandbox_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return urlunsplit((parts.scheme, f"{host}:{port + 1}", "", "", ""))


class SandboxChannel:
    """One acquirer of the sandbox institution."""

    capabilities = frozenset(
        {
            Capability.QR_CODE,
            Capability.WALLET,
            Capability.NET_BANKING,
            Capability.BANK_CARD,
            Capability.CLOSE,
            Capability.REFUND,
            Capability.NOTIFY,
            Capability.STATEMENT,
        }
    )

    def __init__(self, *, code: str, signing_key: str, api_url: str) -> None:
        self.code = code
        self.merchant_account = codec.ACCOUNTS[code]
        self._keys = {
            purpose: codec.derive_key(secret=signing_key, channel=code, purpose=purpose)
            for purpose in codec.Purpose
        }
        self._api_url = api_url.rstrip("/")
        self._client_lock = threading.Lock()
        self._client_of: tuple[int, httpx.Client] | None = None

    def pay(self, request: PayRequest) -> ChannelAnswer:
        """Ask for a charge; PAY_TIMEOUT_S at most. Never raises for what the institution did."""
        document = {
            "request_no": request.request_no,
            "payment_no": request.payment_no,
            "order_no": request.order_no,
            "method": request.method,
            "amount": request.amount,
            "currency": request.currency,
            "subject": request.subject,
            "expires_at": request.expires_at.astimezone(UTC).isoformat(),
            "notify_url": request.notify_url,
            "return_url": request.return_url,
            "options": dict(request.options),
            "metadata": dict(request.metadata),
        }
        try:
            with self._closed_port_if_wished(request) as api_url:
                answer = self._ask("pay", document, timeout_s=PAY_TIMEOUT_S, api_url=api_url)
        except NeverSent:
            return ChannelAnswer(outcome=Outcome.NOT_SENT)
        except NoAnswer:
            return _UNKNOWN
        return self._read(answer, number=request.request_no, asks_for_money=True)

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask what became of a request; QUERY_TIMEOUT_S at most."""
        return self._ask_about(attempt, "query", timeout_s=QUERY_TIMEOUT_S)

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask to accept no more money: CLOSED when accepted, SUCCEEDED when it was already paid."""
        return self._ask_about(attempt, "close", timeout_s=CLOSE_TIMEOUT_S)

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask to give money back; repeating the same ``refund_no`` never refunds twice."""
        document = {
            "refund_no": request.refund_no,
            "channel_trade_no": request.channel_trade_no,
            "amount": request.amount,
            "currency": request.currency,
            "reason": request.reason,
        }
        try:
            answer = self._ask("refund", document, timeout_s=REFUND_TIMEOUT_S)
        except NeverSent:
            return ChannelAnswer(outcome=Outcome.NOT_SENT)
        except NoAnswer:
            return _UNKNOWN
        return self._read(answer, number=request.refund_no, name="refund_no", asks_for_money=True)

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask what became of a refund; QUERY_TIMEOUT_S at most."""
        document = {"refund_no": request.refund_no}
        try:
            answer = self._ask("query-refund", document, timeout_s=QUERY_TIMEOUT_S)
        except (NeverSent, NoAnswer):
            return _UNKNOWN
        return self._read(answer, number=request.refund_no, name="refund_no")

    def parse_notification(
        self, *, headers: Mapping[str, str], body: bytes, received_at: datetime | None = None
    ) -> Notification:
        """Verify the signature over the raw bytes, then read. Raises NotificationRefused."""
        try:
            codec.verify_notification(
                key=self._keys[codec.Purpose.NOTIFICATION],
                account=self.merchant_account,
                headers=headers,
                body=body,
                now=received_at.timestamp() if received_at is not None else None,
            )
            document = codec.decode(body)
        except codec.CodecError as error:
            raise NotificationRefused(str(error)) from error
        name = "refund_no" if "refund_no" in document else "request_no"
        number, account = document.get(name), document.get("merchant_account")
        if not isinstance(number, str) or not isinstance(account, str):
            raise NotificationRefused("it does not say what it is about")
        answer = _read_state(document)
        if answer.outcome is Outcome.UNKNOWN:
            raise NotificationRefused("its status is not one we know")
        return Notification(answer=answer, merchant_account=account, **{name: number})

    def fetch_statement(self, *, statement_date: date) -> bytes:
        """Fetch the institution's file of one day. Raises StatementUnavailable."""
        path = f"/api/{self.code}/statement?date={statement_date.isoformat()}"
        try:
            status, body = self._exchange("GET", path, b"", timeout_s=STATEMENT_TIMEOUT_S)
        except (NeverSent, NoAnswer) as error:
            raise StatementUnavailable(str(error)) from error
        if status != 200:
            raise StatementUnavailable("the institution has no file of this day")
        return body

    def acknowledge(self) -> tuple[bytes, str]:
        """The body and content type that tell the institution its callback was taken in."""
        return _ACKNOWLEDGEMENT

    def _ask_about(
        self, attempt: AttemptReference, call: str, *, timeout_s: float
    ) -> ChannelAnswer:
        document = {
            "request_no": attempt.request_no,
            "payment_no": attempt.payment_no,
            "order_no": attempt.order_no,
        }
        try:
            answer = self._ask(call, document, timeout_s=timeout_s)
        except (NeverSent, NoAnswer):
            return _UNKNOWN  # we have not learnt anything about the charge
        return self._read(answer, number=attempt.request_no)

    def _ask(
        self, call: str, document: dict[str, Any], *, timeout_s: float, api_url: str | None = None
    ) -> bytes:
        body = codec.encode({"merchant_account": self.merchant_account, **document})
        path = f"/api/{self.code}/{call}"
        status, answer = self._exchange("POST", path, body, timeout_s=timeout_s, api_url=api_url)
        if status != 200:
            message = f"HTTP status {status}"
            raise NoAnswer(message)
        return answer

    def _exchange(
        self, method: str, path: str, body: bytes, *, timeout_s: float, api_url: str | None = None
    ) -> tuple[int, bytes]:
        """Send one signed request and return the verified answer. Raises NeverSent or NoAnswer."""
        headers = codec.sign_request(
            key=self._keys[codec.Purpose.REQUEST],
            account=self.merchant_account,
            method=method,
            path=path,
            body=body,
        )
        url = (api_url or self._api_url) + path
        response, answer = fetch(self._client(), method, url, headers, body, timeout_s=timeout_s)
        try:
            codec.verify_response(
                key=self._keys[codec.Purpose.RESPONSE],
                account=self.merchant_account,
                request_signature=headers[codec.SIGNATURE_HEADER],
                status=response.status_code,
                headers=response.headers,
                body=answer,
            )
        except codec.CodecError as error:
            raise NoAnswer(str(error)) from error
        return response.status_code, answer

    def _read(
        self, body: bytes, *, number: str, name: str = "request_no", asks_for_money: bool = False
    ) -> ChannelAnswer:
        """Read a verified answer about ``number``; one about anything else is no answer."""
        try:
            document = codec.decode(body)
        except codec.CodecError:
            return _UNKNOWN
        if document.get("merchant_account") != self.merchant_account:
            return _UNKNOWN
        if document.get("status") == "REFUSED":
            if not asks_for_money or document.get("failure_code") not in _REFUSED_FOR_GOOD:
                return _UNKNOWN
            document = document | {"status": "FAILED", name: number}
        if document.get(name) != number:
            return _UNKNOWN
        return _read_state(document)

    def _client(self) -> httpx.Client:
        """The connections of this process, shared by its threads (a forked child makes its own)."""
        with self._client_lock:
            if self._client_of is None or self._client_of[0] != os.getpid():
                client = open_client(secure=self._api_url.startswith("https:"))
                self._client_of = (os.getpid(), client)
            return self._client_of[1]

    @contextmanager
    def _closed_port_if_wished(self, request: PayRequest) -> Iterator[str | None]:
        """Scenario ``not_sent``: give the address of a port that is bound by us and listens to nobody."""
        token = request.options.get("card_token", "").removeprefix("tok_")
        wished = token or request.metadata.get("sandbox_scenario")
        if self.code != "sandbox" or wished != _NOT_SENT_SCENARIO:
            yield None
            return
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{closed.getsockname()[1]}"


def _read_state(document: dict[str, Any]) -> ChannelAnswer:
    """Translate a verified document; a state we cannot read with certainty is UNKNOWN."""
    outcome = _OUTCOMES.get(str(document.get("status")), Outcome.UNKNOWN)
    amount, currency = document.get("amount"), document.get("currency")
    trade_no, action = document.get("channel_trade_no"), document.get("action")
    said_in_full = type(amount) is int and isinstance(currency, str) and isinstance(trade_no, str)
    if outcome is Outcome.SUCCEEDED and not said_in_full:
        outcome = Outcome.UNKNOWN
    code = document.get("failure_code")
    failure_code, retriable = FAILURES.get(str(code), ("declined", False))
    has_failed = outcome is Outcome.FAILED
    return ChannelAnswer(
        outcome=outcome,
        channel_trade_no=trade_no if isinstance(trade_no, str) else None,
        amount=amount if type(amount) is int else None,
        currency=currency if isinstance(currency, str) else None,
        failure_code=failure_code if has_failed else None,
        retriable=has_failed and retriable,
        action=_read_action(action) if outcome is Outcome.PENDING else None,
        raw=_redact(document),
    )


def _redact(document: dict[str, Any]) -> str:
    """Keep a copy for the record without the payer's page, whose address lets anybody pay or decline."""
    kept = {name: value for name, value in document.items() if name != "action"}
    return codec.encode(kept)[:RAW_LIMIT].decode("utf-8", "replace")


def _read_action(action: object) -> PayerActionData:
    if not isinstance(action, dict) or action.get("type") not in _ACTIONS:
        return PayerActionData(type="none")
    return PayerActionData(
        type=action["type"],
        url=action.get("url"),
        qr_content=action.get("qr_content"),
        expires_at=action.get("expires_at"),
    )
