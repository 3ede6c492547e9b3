"""Reading what the platform asks: every field checked, or the whole request refused. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.words import BANKS, WALLETS

METHODS: Final = ("QR_CODE", "WALLET", "NET_BANKING", "BANK_CARD")
_NUMBER: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z")
_CURRENCY: Final = re.compile(r"[A-Z]{3}\Z")
_MAX_AMOUNT: Final = 999_999_999_999


class BadRequest(Exception):
    """The request can never be carried out as it is; nothing has happened."""


@dataclass(frozen=True, slots=True)
class PayOrder:
    """A request to charge, as read."""

    request_no: str
    payment_no: str
    order_no: str
    method: str
    amount: int
    currency: str
    subject: str
    expires_at: float
    notify_url: str
    return_url: str
    payee: str
    card_owner: str
    card_token: str
    instrument: str
    scenario: str
    challenge: str

    @property
    def fingerprint(self) -> str:
        """What must be the same when the same number is asked again."""
        parts = (self.payment_no, self.order_no, self.method, str(self.amount), self.currency)
        return hashlib.sha256(codec.canonical(*parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """A request to give money back, as read."""

    refund_no: str
    channel_trade_no: str
    amount: int
    currency: str


def read_pay(document: dict[str, Any], *, default_notify_url: str) -> PayOrder:
    """Read a pay request. Raises BadRequest."""
    options = _texts(document, "options")
    method = _text(document, "method")
    if method not in METHODS:
        raise BadRequest("method")
    return PayOrder(
        request_no=read_number(document, "request_no"),
        payment_no=read_number(document, "payment_no"),
        order_no=read_number(document, "order_no"),
        method=method,
        amount=_amount(document),
        currency=_currency(document),
        subject=_text(document, "subject")[:128],
        expires_at=_moment(document, "expires_at"),
        notify_url=_address(document, "notify_url") or default_notify_url,
        return_url=_address(document, "return_url"),
        payee=_optional_text(document, "payee")[:128],
        card_owner=_optional_text(document, "card_owner")[:64],
        card_token=options.get("card_token", ""),
        instrument=_instrument(options, method),
        scenario=_texts(document, "metadata").get("sandbox_scenario", ""),
        challenge="required" if options.get("challenge") == "required" else "",
    )


def read_refund(document: dict[str, Any]) -> RefundOrder:
    """Read a refund request. Raises BadRequest."""
    return RefundOrder(
        refund_no=read_number(document, "refund_no"),
        channel_trade_no=read_number(document, "channel_trade_no"),
        amount=_amount(document),
        currency=_currency(document),
    )


def read_number(document: dict[str, Any], name: str) -> str:
    """Read a number of the platform's or ours. Raises BadRequest."""
    value = _text(document, name)
    if not _NUMBER.match(value):
        raise BadRequest(name)
    return value


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise BadRequest(name)
    return value


def _optional_text(document: dict[str, Any], name: str) -> str:
    return "" if document.get(name) is None else _text(document, name)


def _instrument(options: dict[str, str], method: str) -> str:
    """Read the bank or wallet that was chosen beforehand; one we do not know is refused, not guessed."""
    name, known = {
        "NET_BANKING": ("bank_code", BANKS),
        "WALLET": ("wallet_code", WALLETS),
    }.get(method, ("", {}))
    chosen = options.get(name, "")
    if chosen and chosen not in known:
        message = f"options.{name}"
        raise BadRequest(message)
    return chosen


def _texts(document: dict[str, Any], name: str) -> dict[str, str]:
    value = document.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadRequest(name)
    return value


def _amount(document: dict[str, Any]) -> int:
    value = document.get("amount")
    if type(value) is not int or not 1 <= value <= _MAX_AMOUNT:
        raise BadRequest("amount")
    return value


def _currency(document: dict[str, Any]) -> str:
    value = _text(document, "currency")
    if not _CURRENCY.match(value):
        raise BadRequest("currency")
    return value


def _moment(document: dict[str, Any], name: str) -> float:
    try:
        moment = datetime.fromisoformat(_text(document, name))
    except ValueError as error:
        raise BadRequest(name) from error
    if moment.tzinfo is None:
        raise BadRequest(name)
    return moment.timestamp()


def _address(document: dict[str, Any], name: str) -> str:
    value = _text(document, name)
    if value and not value.startswith(("http://", "https://")):
        raise BadRequest(name)
    return value
