"""Standard Webhooks 1.0: secrets and ``v1`` signatures. Pure: imports no framework."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix is no secret
SECRET_BYTES: Final = 32


def make_webhook_secret() -> str:
    """Make a new signing secret: ``whsec_`` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode("ascii")


def sign_webhook(
    *, secrets: Sequence[str], event_id: str, timestamp: int, payload: bytes
) -> dict[str, str]:
    """Return the three headers that let the receiver verify this payload.

    ``timestamp`` is in seconds since 1970. While a secret is being replaced both are given, and there is
    one signature for each. Raises ValueError without a usable secret.
    """
    if not secrets:
        message = "there is no secret to sign with"
        raise ValueError(message)
    signed = b"%b.%d.%b" % (event_id.encode("ascii"), timestamp, payload)
    signatures = [
        base64.b64encode(hmac.digest(_key_of(secret), signed, hashlib.sha256)).decode("ascii")
        for secret in secrets
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        message = "a webhook secret is whsec_ and base64"
        raise ValueError(message)
    return key
