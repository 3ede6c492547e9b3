"""A second, small channel for the tests: QR codes and callbacks, nothing else, in a protocol of its own.

It proves that contract and conformance suite ask nothing of an adapter that only the sandbox could give.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.request import Request, urlopen

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
    StatementUnavailable,
    TimeLimits,
)
from engine.channels.transport import Connections, NeverSent, NoAnswer
from tests.engine.channels.receiver import Received, Receiver
from tests.engine.channels.requests import make_request
from tests.listening import PatientServer

SHOP = "shop-77"
_STATES = {
    "WAIT": Outcome.PENDING,
    "PAID": Outcome.SUCCEEDED,
    "VOID": Outcome.CLOSED,
    "NONE": Outcome.NOT_FOUND,
}


def sign(key: bytes, *parts: bytes) -> str:
    """Sign parts, each by its own digest so that they cannot run together."""
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hmac.new(key, digests, hashlib.sha256).hexdigest()


def _unknown(why: object) -> ChannelAnswer:
    return ChannelAnswer(outcome=Outcome.UNKNOWN, raw=str(why))


class QrOnlyChannel:
    """The adapter. What it did not declare it answers with UNKNOWN, asking nobody."""

    code = "qronly"
    merchant_account = SHOP
    capabilities = frozenset({Capability.QR_CODE, Capability.NOTIFY})
    payment_options: Mapping[Capability, tuple[PaymentOption, ...]] = {}

    def __init__(
        self, *, key: bytes, api_url: str, time_limits: TimeLimits = STANDARD_TIME_LIMITS
    ) -> None:
        self.time_limits = time_limits
        self._key, self._api_url = key, api_url
        self._connections = Connections()

    def pay(self, request: PayRequest) -> ChannelAnswer:
        document = {
            "id": request.request_no,
            "cents": request.amount,
            "money": request.currency,
            "until": request.expires_at.timestamp(),
            "tell": request.notify_url,
        }
        try:
            return self._ask("/charge", document, self.time_limits.pay_s)
        except NeverSent as error:
            return ChannelAnswer(outcome=Outcome.NOT_SENT, raw=str(error))

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        try:
            return self._ask("/ask", {"id": attempt.request_no}, self.time_limits.query_s)
        except NeverSent as error:
            return _unknown(error)

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        return _unknown("this institution closes nothing")

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        return _unknown("this institution refunds nothing")

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        return _unknown("this institution refunds nothing")

    def parse_notification(
        self, *, headers: Mapping[str, str], body: bytes, received_at: datetime | None = None
    ) -> Notification:
        lowered = {name.lower(): value for name, value in headers.items()}
        given = lowered.get("x-sign", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, sign(self._key, b"callback", body).encode()):
            raise NotificationRefused("the signature does not verify")
        document = json.loads(body)
        return Notification(
            answer=_read(document), request_no=document["id"], merchant_account=document["shop"]
        )

    def fetch_statement(self, *, statement_date: date) -> bytes:
        raise StatementUnavailable("this institution writes none")

    def acknowledge(self) -> tuple[bytes, str]:
        return b"success", "text/plain"

    def _ask(self, path: str, document: dict[str, Any], timeout_s: float) -> ChannelAnswer:
        body = json.dumps(document).encode()
        signature = sign(self._key, b"request", path.encode(), body)
        try:
            response, answer = self._connections.fetch(
                "POST", self._api_url + path, {"X-Sign": signature}, body, timeout_s=timeout_s
            )
        except NoAnswer as error:
            return _unknown(error)
        given = response.headers.get("X-Sign", "").encode()
        expected = sign(self._key, b"answer", signature.encode(), answer).encode()
        if response.status_code != 200 or not hmac.compare_digest(given, expected):
            return _unknown("the answer is not the institution's")
        said = json.loads(answer)
        if said["id"] != document["id"] or said["state"] not in _STATES:
            return _unknown("the answer is about something else")
        return _read(said)


def _read(document: dict[str, Any]) -> ChannelAnswer:
    outcome = _STATES[document["state"]]
    waits = outcome is Outcome.PENDING and "code" in document
    return ChannelAnswer(
        outcome=outcome,
        channel_trade_no=document.get("receipt"),
        amount=document.get("cents"),
        currency=document.get("money"),
        action=PayerActionData(
            type="qr_code",
            qr_content=document["code"],
            expires_at=datetime.fromtimestamp(document["until"], UTC).isoformat(),
        )
        if waits
        else None,
        raw=json.dumps({name: value for name, value in document.items() if name != "code"}),
    )


class QrOnlyInstitution:
    """The institution, in this process: a dictionary behind an HTTP server. Also the suite's counterpart."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._charges: dict[str, dict[str, Any]] = {}
        institution = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer, signature = institution._answer(
                    self.path, self.headers.get("X-Sign", ""), body
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("X-Sign", signature)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = PatientServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.api_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.channel: Channel = self.channel_at(self.api_url, STANDARD_TIME_LIMITS)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def channel_at(self, api_url: str, time_limits: TimeLimits) -> Channel:
        return QrOnlyChannel(key=self._key, api_url=api_url, time_limits=time_limits)

    def new_request(self, method: str, **changes: Any) -> PayRequest:
        return make_request(**{"method": method, "notify_url": self._receiver.url} | changes)

    def confirm(self, request: PayRequest) -> bool:
        with self._lock:
            charge = self._state(request.request_no)
            if charge["state"] != "WAIT":
                return False
            charge |= {"state": "PAID", "receipt": f"R{secrets.token_hex(8)}"}
        body = json.dumps(self._tell(charge) | {"shop": SHOP}).encode()
        headers = {"X-Sign": sign(self._key, b"callback", body)}
        with urlopen(Request(charge["tell"], data=body, headers=headers), timeout=5):
            return True

    def charged(self, request: PayRequest) -> list[int]:
        charge = self._charges.get(request.request_no)
        return [charge["cents"]] if charge and charge["state"] == "PAID" else []

    def given_back(self, refund_no: str) -> list[int]:
        return []

    def callbacks(self, request: PayRequest) -> list[Received]:
        return self._receiver.about(request.request_no)

    def _answer(self, path: str, signature: str, body: bytes) -> tuple[int, bytes, str]:
        if signature != sign(self._key, b"request", path.encode(), body):
            return 401, b"", ""
        asked = json.loads(body)
        with self._lock:
            if path == "/charge" and asked["id"] not in self._charges:
                self._charges[asked["id"]] = asked | {"state": "WAIT", "code": secrets.token_hex(9)}
            charge = self._state(asked["id"])
            clash = path == "/charge" and charge["cents"] != asked["cents"]
            said = {"id": asked["id"], "state": "CLASH"} if clash else self._tell(charge)
        answer = json.dumps(said).encode()
        return 200, answer, sign(self._key, b"answer", signature.encode(), answer)

    def _state(self, number: str) -> dict[str, Any]:
        charge = self._charges.get(number, {"id": number, "state": "NONE"})
        if charge["state"] == "WAIT" and charge["until"] <= time.time():
            charge["state"] = "VOID"
        return charge

    def _tell(self, charge: dict[str, Any]) -> dict[str, Any]:
        names = ("id", "state", "cents", "money", "receipt", "until")
        said = {name: charge[name] for name in names if name in charge}
        return said | ({"code": charge["code"]} if charge["state"] == "WAIT" else {})
