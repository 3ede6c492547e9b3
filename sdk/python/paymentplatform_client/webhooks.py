"""Webhooks, verified (Standard Webhooks 1.0): nothing is read before the signature and the time are right."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping

from paymentplatform_client.objects import Event
from paymentplatform_client.parsing import parse

TOLERANCE_S = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class WebhookRefused(Exception):
    """Not signed by the platform with one of your secrets, or not now. Answer 401 and do nothing."""


def verify_webhook(
    *,
    secrets: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    tolerance_s: int = TOLERANCE_S,
) -> Event:
    """Return the event of a delivery. ``body`` is what came in, byte for byte; ``secrets`` your ``whsec_…`` ones.

    Raises WebhookRefused. The same event may come again: act once for each ``id``, and answer 2xx each time.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        number, sent_at = given["webhook-id"], given["webhook-timestamp"]
        signatures = [_encode(text) for text in given["webhook-signature"].split()]
    except KeyError as missing:
        raise WebhookRefused(f"{missing} is missing") from None
    if _TIMESTAMP.fullmatch(sent_at) is None:
        raise WebhookRefused("webhook-timestamp is no time in seconds")
    age_s = abs(time.time() - int(sent_at))
    if age_s > tolerance_s:
        raise WebhookRefused(f"sent {age_s:.0f} s ago or ahead")
    signed = _encode(f"{number}.{sent_at}.") + body
    wanted = [_sign(secret, signed) for secret in _each(secrets)]
    if not any(hmac.compare_digest(own, came) for own in wanted for came in signatures):
        raise WebhookRefused("no signature fits")
    event = parse(Event, json.loads(body))
    if event.id != number:
        raise WebhookRefused("webhook-id is not the event's")
    return event


def _each(secrets: str | Iterable[str]) -> Iterable[str]:
    return (secrets,) if isinstance(secrets, str) else secrets


def _encode(text: str) -> bytes:
    """A forged header may hold anything, half a character too: none of it is an error, all of it fits nothing."""
    return text.encode("utf-8", "surrogatepass")


def _sign(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
    return b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
