"""What the institution's answers mean to us, written down once. Pure.

``FAILURES`` maps its codes to ours and says which of them allow another channel to be tried. Whatever cannot be
read with certainty is UNKNOWN, and says why.
"""

from __future__ import annotations

from typing import Any, Final

from engine.channels.base import ChannelAnswer, Outcome, PayerActionData, SavedCardData
from engine.channels.sandbox import codec

RAW_LIMIT: Final = 4_096

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
_NOT_KEPT: Final = {"action", "saved_card"}
"""The payer's page (whoever has its address may pay or decline) and card."""


def unknown(why: object) -> ChannelAnswer:
    """Nothing is certain; say why, for whoever has to find out."""
    return ChannelAnswer(outcome=Outcome.UNKNOWN, raw=str(why)[:RAW_LIMIT])


def read_answer(
    body: bytes,
    *,
    merchant_account: str,
    vault_key: bytes,
    number: str,
    name: str,
    asks_for_money: bool,
) -> ChannelAnswer:
    """Read a verified answer about ``number``; one about anything else is no answer."""
    try:
        document = codec.decode(body)
    except codec.CodecError as error:
        return unknown(error)
    if document.get("merchant_account") != merchant_account:
        return unknown("the answer is for another merchant account")
    if document.get("status") == "REFUSED":
        if not asks_for_money or document.get("failure_code") not in _REFUSED_FOR_GOOD:
            return unknown(f"refused, which decides nothing: {_redact(document)}")
        document = document | {"status": "FAILED", name: number}
    if document.get(name) != number:
        return unknown("the answer is about another number")
    return read_state(document, vault_key=vault_key)


def read_state(document: dict[str, Any], *, vault_key: bytes) -> ChannelAnswer:
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
        saved_card=_read_card(document, vault_key=vault_key)
        if outcome is Outcome.SUCCEEDED
        else None,
        raw=_redact(document),
    )


def _read_card(document: dict[str, Any], *, vault_key: bytes) -> SavedCardData | None:
    """Read the card that the payer ticked to be saved; one that cannot be read spoils nothing else."""
    card = document.get("saved_card")
    if not isinstance(card, dict):
        return None
    sealed, brand, last4 = card.get("sealed_token"), card.get("brand"), card.get("last4")
    if not isinstance(sealed, str) or not isinstance(brand, str) or not isinstance(last4, str):
        return None
    try:
        token = codec.unseal(key=vault_key, sealed=sealed)
    except codec.CodecError:
        return None
    return SavedCardData(token=token, brand=brand[:32], last4=last4[:4])


def _redact(document: dict[str, Any]) -> str:
    kept = {name: value for name, value in document.items() if name not in _NOT_KEPT}
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
