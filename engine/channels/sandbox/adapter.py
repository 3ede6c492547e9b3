"""The adapter of the sandbox institution: translate, sign, call with a time limit, verify (``answers`` reads)."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from engine.channels.base import (
    STANDARD_TIME_LIMITS,
    AttemptReference,
    Capability,
    Channel,
    ChannelAnswer,
    Notification,
    NotificationRefused,
    Outcome,
    PayRequest,
    RefundRequest,
    StatementUnavailable,
    TimeLimits,
)
from engine.channels.sandbox import codec
from engine.channels.sandbox.answers import read_answer, read_state, unknown
from engine.channels.sandbox.catalogue import PAYMENT_OPTIONS
from engine.channels.transport import MAX_ANSWER_BYTES, Connections, NeverSent, NoAnswer

MAX_STATEMENT_BYTES: Final = 2**26
_ACKNOWLEDGEMENT: Final = (b"success", "text/plain")
_NOT_SENT_SCENARIO: Final = "not_sent"


@dataclass(frozen=True, slots=True)
class SandboxFactory:
    """Builds the adapter of one acquirer from plain values; this is what the setting CHANNELS names."""

    code: str
    setting_names: tuple[str, ...] = ("SANDBOX_URL", "SANDBOX_SIGNING_KEY", "SANDBOX_API_URL")

    def build(self, values: Mapping[str, Any]) -> Channel:
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
            Capability.CHALLENGE,
        }
    )
    payment_options = PAYMENT_OPTIONS

    def __init__(
        self,
        *,
        code: str,
        signing_key: str,
        api_url: str,
        time_limits: TimeLimits = STANDARD_TIME_LIMITS,
    ) -> None:
        self.code = code
        self.time_limits = time_limits
        self.merchant_account = codec.ACCOUNTS[code]
        self._keys = {
            purpose: codec.derive_key(secret=signing_key, channel=code, purpose=purpose)
            for purpose in codec.Purpose
        }
        self._api_url = api_url.rstrip("/")
        self._connections = Connections()

    def pay(self, request: PayRequest) -> ChannelAnswer:
        """Ask for a charge. Never raises for what the institution did."""
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
            "payee": request.payee,
            "card_owner": request.card_owner,
            "options": dict(request.options),
            "metadata": dict(request.metadata),
        }
        try:
            with self._closed_port_if_wished(request) as api_url:
                answer = self._ask(
                    "pay", document, timeout_s=self.time_limits.pay_s, api_url=api_url
                )
        except NeverSent as error:
            return ChannelAnswer(outcome=Outcome.NOT_SENT, raw=str(error))
        except NoAnswer as error:
            return unknown(error)
        return self._read(answer, number=request.request_no, asks_for_money=True)

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask what became of a request."""
        return self._ask_about(attempt, "query", timeout_s=self.time_limits.query_s)

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        """Ask to accept no more money: CLOSED when accepted, SUCCEEDED when it was already paid."""
        return self._ask_about(attempt, "close", timeout_s=self.time_limits.close_s)

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
            answer = self._ask("refund", document, timeout_s=self.time_limits.refund_s)
        except NeverSent as error:
            return ChannelAnswer(outcome=Outcome.NOT_SENT, raw=str(error))
        except NoAnswer as error:
            return unknown(error)
        return self._read(answer, number=request.refund_no, name="refund_no", asks_for_money=True)

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        """Ask what became of a refund."""
        document = {"refund_no": request.refund_no}
        try:
            answer = self._ask("query-refund", document, timeout_s=self.time_limits.query_refund_s)
        except (NeverSent, NoAnswer) as error:
            return unknown(error)
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
        answer = read_state(document, vault_key=self._keys[codec.Purpose.VAULT])
        if answer.outcome is Outcome.UNKNOWN:
            raise NotificationRefused("its status is not one we know")
        return Notification(answer=answer, merchant_account=account, **{name: number})

    def fetch_statement(self, *, statement_date: date) -> bytes:
        """Fetch the institution's file of one day. Raises StatementUnavailable."""
        path = f"/api/{self.code}/statement?date={statement_date.isoformat()}"
        try:
            status, body = self._exchange(
                "GET",
                path,
                b"",
                timeout_s=self.time_limits.fetch_statement_s,
                max_bytes=MAX_STATEMENT_BYTES,
            )
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
        except (NeverSent, NoAnswer) as error:
            return unknown(error)  # we have not learnt anything about the charge
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
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        timeout_s: float,
        api_url: str | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """Send one signed request and return the verified answer. Raises NeverSent or NoAnswer."""
        headers = codec.sign_request(
            key=self._keys[codec.Purpose.REQUEST],
            account=self.merchant_account,
            method=method,
            path=path,
            body=body,
        )
        response, answer = self._connections.fetch(
            method,
            (api_url or self._api_url) + path,
            headers | {"Content-Type": "application/json"},
            body,
            timeout_s=timeout_s,
            max_bytes=max_bytes,
        )
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
        return read_answer(
            body,
            merchant_account=self.merchant_account,
            vault_key=self._keys[codec.Purpose.VAULT],
            number=number,
            name=name,
            asks_for_money=asks_for_money,
        )

    @contextmanager
    def _closed_port_if_wished(self, request: PayRequest) -> Iterator[str | None]:
        """Scenario ``not_sent``: give the address of a port that is bound by us and listens to nobody."""
        token = request.options.get("card_token", "")
        wished = request.metadata.get("sandbox_scenario")
        if token not in ("", "tok_success") and not token.startswith("tok_saved_"):
            wished = token.removeprefix("tok_")
        if self.code != "sandbox" or wished != _NOT_SENT_SCENARIO:
            yield None
            return
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{closed.getsockname()[1]}"
