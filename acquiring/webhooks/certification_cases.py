"""Twelve cases by which a merchant's webhook receiver is tried: what is sent, and what must come back. Pure.

Every event is a made-up one about an order that does not exist; its ``metadata`` says that it is a test.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from acquiring.webhooks.signing import make_webhook_secret, sign_webhook
from paymentplatform.kernel import numbers

SKEW_S: Final = 360
"""Six minutes: one more than the five that receivers allow."""

BURST: Final = 8
"""As many events as the platform sends to one merchant at once."""

LONG_TEXT: Final = 24 * 1024
MALFORMED: Final = ("x", "v1", "v1,x")
"""Values of webhook-signature that are no signatures, not even wrong ones."""

MARK: Final = {"certify_merchant": "test"}


class Expected(Enum):
    """What the receiver must answer."""

    TAKEN = "2xx"
    REFUSED = "4xx, and no effect"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One POST to the receiver."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its requests, sent all at once, what must come back, and how to mend a receiver that differs."""

    name: str
    expected: Expected
    mend: str
    requests: tuple[SignedRequest, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """The made-up order of this run, and who signs."""

    secrets: tuple[str, ...]
    now: int
    order_no: str
    merchant_order_no: str

    def event(self, kind: str = "order.success", **changes: Any) -> tuple[str, bytes]:
        """Make an event about the order; returns its id and its body."""
        event_id = numbers.new_number(numbers.EVENT)
        document = {
            "id": event_id,
            "type": kind,
            "timestamp": _time(self.now),
            "data": self._data(kind),
        }
        return event_id, json.dumps(document | changes, ensure_ascii=False).encode()

    def sign(self, event_id: str, body: bytes, *, age_s: int = 0) -> dict[str, str]:
        """Sign as the platform does; ``age_s`` seconds ago, or negative: in the future."""
        return sign_webhook(
            secrets=self.secrets, event_id=event_id, timestamp=self.now - age_s, payload=body
        )

    def _data(self, kind: str) -> dict[str, Any]:
        paid = kind == "order.success"
        return {
            "order_no": self.order_no,
            "merchant_order_no": self.merchant_order_no,
            "status": "SUCCESS" if paid else "CLOSED",
            "closing": False,
            "amount": 1280,
            "currency": "CNY",
            "refunded_amount": 0,
            "refunding_amount": 0,
            "subject": "Test of webhooks 通知测试",
            "description": None,
            "cashier_url": "https://pay.example/cashier/test",
            "expires_at": _time(self.now + 900),
            "created_at": _time(self.now - 60),
            "paid_at": _time(self.now) if paid else None,
            "closed_at": None if paid else _time(self.now - 30),
            "close_reason": None if paid else "EXPIRED",
            "failure_code": None,
            "payment": None,
            "metadata": MARK,
        }


def build_cases(*, signing_secrets: Sequence[str], now: int) -> list[Case]:
    """Make the twelve cases for a receiver that knows ``signing_secrets``; ``now`` in seconds since 1970.

    Raises ValueError without a usable secret.
    """
    order = _Order(
        tuple(signing_secrets),
        now,
        numbers.new_number(numbers.ORDER),
        f"CERTIFY-{secrets.token_hex(6).upper()}",
    )
    event_id, body = order.event()
    correct = SignedRequest(order.sign(event_id, body), body)
    return [
        Case(
            "correct",
            Expected.TAKEN,
            "Is this the address, and does the receiver know the newest secret of this target? Sign the raw bytes of "
            'the body: base64 of HMAC-SHA256 over "{webhook-id}.{webhook-timestamp}.{body}".',
            (correct,),
        ),
        Case(
            "duplicate",
            Expected.TAKEN,
            "The same webhook-id comes again when your answer was lost: answer 2xx again and act only once.",
            (correct,),
        ),
        _build_out_of_order(order),
        *_build_forgeries(order),
        _build_unknown_type(order),
        _build_rotation(order),
        _build_burst(order),
    ]


def _build_out_of_order(order: _Order) -> Case:
    event_id, body = order.event("order.closed", timestamp=_time(order.now - 30))
    return Case(
        "out_of_order",
        Expected.TAKEN,
        "Events may overtake each other. Answer 2xx to one that is older than what you know, and keep what you know: "
        "a paid order stays paid.",
        (SignedRequest(order.sign(event_id, body), body),),
    )


def _build_forgeries(order: _Order) -> list[Case]:
    event_id, body = order.event()
    garbage = base64.b64encode(bytes(32)).decode()
    foreign = _Order((make_webhook_secret(),), order.now, order.order_no, order.merchant_order_no)
    stale, future = (
        order.sign(event_id, body, age_s=SKEW_S),
        order.sign(event_id, body, age_s=-SKEW_S),
    )
    at = body.index(b'"amount": 1280') + len(b'"amount": ')
    altered = body[:at] + b"9" + body[at + 1 :]
    signed = order.sign(event_id, body)
    forged: list[tuple[str, str, dict[str, str], bytes]] = [
        (
            "foreign_secret",
            "Verify with the secret of this very target; somebody else's signature is a forgery: answer 401.",
            foreign.sign(event_id, body),
            body,
        ),
        (
            "stale_timestamp",
            "Refuse a webhook-timestamp more than five minutes old, or a recorded request can be played again.",
            stale,
            body,
        ),
        (
            "future_timestamp",
            "Refuse a webhook-timestamp more than five minutes ahead; keep your server's clock right (NTP).",
            future,
            body,
        ),
        (
            "altered_body",
            "Verify the bytes as they came, before parsing; a body written anew from JSON is another one.",
            signed,
            altered,
        ),
        (
            "missing_headers",
            "Without webhook-id, webhook-timestamp and webhook-signature nobody proves anything: answer 400 or 401.",
            {},
            body,
        ),
    ]
    bad_signatures = tuple(
        SignedRequest(signed | {"webhook-signature": signature}, body)
        for signature in (f"v1,{garbage}", *MALFORMED)
    )
    return [
        Case(
            "bad_signature",
            Expected.REFUSED,
            "Compare the signature (in constant time) and answer 401 when none fits, also when it has no form at all: "
            '"x", "v1" and "v1,x" must not become an exception.',
            bad_signatures,
        ),
        *(
            Case(name, Expected.REFUSED, mend, (SignedRequest(headers, content),))
            for name, mend, headers, content in forged
        ),
    ]


def _build_unknown_type(order: _Order) -> Case:
    event_id, body = order.event("order.not_invented_yet")
    return Case(
        "unknown_type",
        Expected.TAKEN,
        "New types come without notice. Answer 2xx to what you do not know, or it is sent again for a day.",
        (SignedRequest(order.sign(event_id, body), body),),
    )


def _build_rotation(order: _Order) -> Case:
    event_id, body = order.event()
    rotating = _Order(
        (make_webhook_secret(), *order.secrets), order.now, order.order_no, order.merchant_order_no
    )
    return Case(
        "two_signatures",
        Expected.TAKEN,
        "While a secret is replaced, webhook-signature carries several, with blanks between: one that fits is enough.",
        (SignedRequest(rotating.sign(event_id, body), body),),
    )


def _build_burst(order: _Order) -> Case:
    requests = []
    for _number in range(BURST):
        event_id, body = order.event(a_field_not_invented_yet={"text": "长" * (LONG_TEXT // 3)})
        requests.append(SignedRequest(order.sign(event_id, body), body))
    return Case(
        "burst",
        Expected.TAKEN,
        "Eight large events at once, with a field you do not know: store them, answer 2xx, and do the slow work "
        "afterwards. Accept bodies of at least 64 KiB.",
        tuple(requests),
    )


def judge_answer(expected: Expected, status_code: int | None) -> bool:
    """Tell whether an answer is what the case asks for. 410 is no refusal: it would end all deliveries."""
    if status_code is None:
        return False
    if expected is Expected.TAKEN:
        return 200 <= status_code <= 299
    return 400 <= status_code <= 499 and status_code != 410


def _time(seconds: int) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
