"""The protocol that platform and sandbox institution speak: canonical bytes, signatures, JSON.

The one module that both sides share. HMAC-SHA256 over everything that gives a message its meaning; every
acquirer and every direction has a key of its own, derived from one secret, so that a message can be neither
reflected to its sender nor carried to the other acquirer. A response covers the signature of its request. The token
of a saved card is sealed on top of that, so that a message that is kept as it came gives nobody the card.
Pure: imports no framework.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken

ACCOUNTS: Final[dict[str, str]] = {"sandbox": "8800010000000017", "sandbox2": "8800020000000025"}
"""Each acquirer of the institution (its channel code) with the merchant account the platform has there."""

MAX_AGE_S: Final = 300
MAX_BODY_BYTES: Final = 262_144

ACCOUNT_HEADER: Final = "Sandbox-Account"
TIMESTAMP_HEADER: Final = "Sandbox-Timestamp"
NONCE_HEADER: Final = "Sandbox-Nonce"
SIGNATURE_HEADER: Final = "Sandbox-Signature"

_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}\Z")
_NONCE: Final = re.compile(r"[0-9a-f]{32}\Z")


class Purpose(StrEnum):
    """The direction a key signs for; ``VAULT`` is for sealing tokens of saved cards."""

    REQUEST = "request"
    RESPONSE = "response"
    NOTIFICATION = "notification"
    VAULT = "vault"


class CodecError(Exception):
    """The message is unsigned, wrongly signed, stale or unreadable."""


def derive_key(*, secret: str, channel: str, purpose: Purpose) -> bytes:
    """Return the key of one acquirer and one direction."""
    return hmac.digest(secret.encode(), f"sandbox-v1/{channel}/{purpose}".encode(), "sha256")


def canonical(*parts: str | bytes) -> bytes:
    """Join parts so that no two lists of parts give the same bytes (each is preceded by its length)."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(b"%d:%s," % (len(part), part) for part in raw)


def sign_request(
    *, key: bytes, account: str, method: str, path: str, body: bytes, now: float | None = None
) -> dict[str, str]:
    """Return the headers that sign a request; ``path`` includes the query string."""
    return _sign(key, account, now, method, path, body)


def verify_request(
    *,
    key: bytes,
    account: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float | None = None,
) -> str:
    """Check a request and return its nonce, to be accepted once. Raises CodecError."""
    return _verify(key, account, headers, now, method, path, body)


def sign_response(
    *,
    key: bytes,
    account: str,
    request_signature: str,
    status: int,
    body: bytes,
    now: float | None = None,
) -> dict[str, str]:
    """Return the headers that sign an answer to the request with this signature."""
    return _sign(key, account, now, request_signature, str(status), body)


def verify_response(
    *,
    key: bytes,
    account: str,
    request_signature: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float | None = None,
) -> None:
    """Check that this is the answer to our request. Raises CodecError."""
    _verify(key, account, headers, now, request_signature, str(status), body)


def sign_notification(
    *, key: bytes, account: str, body: bytes, now: float | None = None
) -> dict[str, str]:
    """Return the headers that sign a notification (where it is posted to does not matter)."""
    return _sign(key, account, now, body)


def verify_notification(
    *,
    key: bytes,
    account: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float | None = None,
) -> None:
    """Check a notification over its raw bytes. Raises CodecError."""
    _verify(key, account, headers, now, body)


def _sign(key: bytes, account: str, now: float | None, *parts: str | bytes) -> dict[str, str]:
    timestamp = str(int(time.time() if now is None else now))
    nonce = secrets.token_hex(16)
    return {
        ACCOUNT_HEADER: account,
        TIMESTAMP_HEADER: timestamp,
        NONCE_HEADER: nonce,
        SIGNATURE_HEADER: _mac(key, account, timestamp, nonce, *parts),
    }


def _verify(
    key: bytes,
    account: str,
    headers: Mapping[str, str],
    now: float | None,
    *parts: str | bytes,
) -> str:
    lowered = {name.lower(): value for name, value in headers.items()}
    timestamp = lowered.get(TIMESTAMP_HEADER.lower(), "")
    nonce = lowered.get(NONCE_HEADER.lower(), "")
    signature = lowered.get(SIGNATURE_HEADER.lower(), "")
    if lowered.get(ACCOUNT_HEADER.lower()) != account:
        raise CodecError("it is not for this merchant account")
    if not _TIMESTAMP.match(timestamp) or not _NONCE.match(nonce):
        raise CodecError("timestamp or nonce is missing or malformed")
    expected = _mac(key, account, timestamp, nonce, *parts)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise CodecError("the signature does not verify")
    if abs((time.time() if now is None else now) - int(timestamp)) > MAX_AGE_S:
        raise CodecError("it is stale")
    return nonce


def _mac(key: bytes, *parts: str | bytes) -> str:
    return "v1=" + hmac.new(key, canonical(*parts), hashlib.sha256).hexdigest()


def seal(*, key: bytes, token: str) -> str:
    """Encrypt the token of a saved card for its journey."""
    return Fernet(base64.urlsafe_b64encode(key)).encrypt(token.encode()).decode()


def unseal(*, key: bytes, sealed: str) -> str:
    """Read a sealed token. Raises CodecError."""
    try:
        return Fernet(base64.urlsafe_b64encode(key)).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CodecError("the saved card's token is not sealed for us") from error


def encode(document: Mapping[str, Any]) -> bytes:
    """Write a document as compact UTF-8 JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes) -> dict[str, Any]:
    """Read one JSON object: no floats, no repeated keys. Raises CodecError."""
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_pairs,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except (ValueError, RecursionError) as error:
        message = f"the body is not readable: {error}"
        raise CodecError(message) from error
    if not isinstance(document, dict):
        raise CodecError("the body is not a JSON object")
    return document


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated")
    return document


def _refuse_number(text: str) -> None:
    message = f"{text} is not an integer"
    raise ValueError(message)
