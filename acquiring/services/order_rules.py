"""What a new order must look like, beyond its types. Reports every fault at once."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from acquiring.contracts import CreateOrder, MerchantIdentity
from paymentplatform.kernel.destinations import check_url
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency

DEFAULT_EXPIRES_IN_S = 900
MERCHANT_NUMBER = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z", re.ASCII)
_FIGURES = {"amount", "currency", "expires_in"}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def check_new_order(body: CreateOrder, merchant: MerchantIdentity) -> None:
    """Raise InvalidRequest naming every field that is out of its range or form."""
    faults = [
        *_check_number(body.merchant_order_no),
        *_check_money(body.amount, body.currency),
        *check_text("subject", body.subject, least=1, most=128),
        *check_text("description", body.description, least=0, most=512),
        *check_text("payer_ref", body.payer_ref, least=1, most=64),
        *_check_expiry(body.expires_in),
        *_check_notify_url(body.notify_url),
        *check_return_url(body.return_url, merchant.return_origins),
        *_check_methods(body),
        *_check_metadata(body.metadata),
    ]
    if faults:
        raise InvalidRequest("The order is not valid.", errors=tuple(faults))


def digest_order(body: CreateOrder) -> str:
    """Fingerprint of what was asked: the same body in any key order gives the same digest."""
    return hashlib.sha256(msgspec.json.encode(_normalise(body), order="deterministic")).hexdigest()


def find_differences(*, asked: CreateOrder, first: CreateOrder) -> list[FieldError]:
    """Name every field in which a request differs from the order that already has its number.

    Figures are shown, texts are not: a subject or a payer_ref may be personal. The order of the allowed methods
    means nothing.
    """
    was, now = (_read_fields(body) for body in (first, asked))
    differing = [name for name in was if name != "metadata" and was[name] != now[name]]
    faults = [
        FieldError(
            name,
            "differs",
            f"the first order has {was[name]}" if name in _FIGURES else "not as in the first order",
        )
        for name in differing
    ]
    before, after = was["metadata"], now["metadata"]
    faults += [
        FieldError(f"metadata.{key}", "differs", "not as in the first order")
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return faults


def _read_fields(body: CreateOrder) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(_normalise(body))
    return fields | {
        "allowed_methods": fields["allowed_methods"] and sorted(fields["allowed_methods"])
    }


def _normalise(body: CreateOrder) -> CreateOrder:
    """Put in what an absent field means."""
    return msgspec.structs.replace(
        body,
        expires_in=body.expires_in or DEFAULT_EXPIRES_IN_S,
        metadata=body.metadata or {},
    )


def _check_number(number: str) -> list[FieldError]:
    if MERCHANT_NUMBER.match(number):
        return []
    return [FieldError("merchant_order_no", "format", "1 to 64 characters of A-Z a-z 0-9 _ - .")]


def _check_money(amount: int, currency: str) -> list[FieldError]:
    faults = []
    if not 1 <= amount <= MAX_AMOUNT:
        faults.append(FieldError("amount", "range", f"1 to {MAX_AMOUNT} minor units"))
    if not is_currency(currency):
        faults.append(FieldError("currency", "unknown_value", "an enabled ISO 4217 code"))
    return faults


def check_text(field: str, text: str | None, *, least: int, most: int) -> list[FieldError]:
    """Return what is wrong with a text of ``least`` to ``most`` characters; None is no text and no fault."""
    if text is None:
        return []
    if not least <= len(text) <= most or (least and not text.strip()):
        detail = f"{least} to {most} characters, not blank" if least else f"0 to {most} characters"
        return [FieldError(field, "length", detail)]
    if not text.isascii() or not text.isprintable():
        for character in text:
            if unicodedata.category(character) in _INVISIBLE:
                return [FieldError(field, "characters", "no control or invisible characters")]
    return []


def _check_expiry(expires_in: int | None) -> list[FieldError]:
    if expires_in is None or 60 <= expires_in <= 86_400:
        return []
    return [FieldError("expires_in", "range", "60 to 86400 seconds")]


def _check_notify_url(url: str | None) -> list[FieldError]:
    if url is None:
        return []
    try:
        check_url(url, allow_loopback_http=settings.WEBHOOK_ALLOW_LOOPBACK)
    except InvalidRequest as refusal:
        return [FieldError("notify_url", "refused", refusal.detail)]
    return []


def check_return_url(url: str | None, origins: tuple[str, ...]) -> list[FieldError]:
    """Return what is wrong with it: outside a registered origin it would make us an open redirect."""
    if url is None:
        return []
    fault = FieldError("return_url", "refused", "must be under a registered return origin")
    if len(url) > 2048 or not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        return [fault]
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.lower()}"
    except ValueError:
        return [fault]
    return [] if origin in origins and parts.username is None else [fault]


def _check_methods(body: CreateOrder) -> list[FieldError]:
    methods = body.allowed_methods
    if methods is None or (methods and len(set(methods)) == len(methods)):
        return []
    return [FieldError("allowed_methods", "format", "at least one method, each once")]


def _check_metadata(metadata: dict[str, str] | None) -> list[FieldError]:
    if metadata is None:
        return []
    faults = []
    if len(metadata) > 20:
        faults.append(FieldError("metadata", "length", "at most 20 keys"))
    for key, value in metadata.items():
        if not 1 <= len(key) <= 40 or not key.isprintable():
            faults.append(FieldError("metadata", "format", "keys of 1 to 40 printable characters"))
        else:
            faults += check_text(f"metadata.{key}", value, least=0, most=256)
    return faults[:20]
