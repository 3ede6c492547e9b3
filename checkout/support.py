"""How payers reach the support: the setting in, primitives for templates out. Pure."""

from __future__ import annotations

from checkout.presenters import is_web_address


def present_support(contact: str) -> dict[str, str] | None:
    """Return how payers reach the support: text, and the address of a link for mailto:, tel: and web addresses."""
    contact = contact.strip()
    if not contact:
        return None
    scheme, separator, rest = contact.partition(":")
    if separator and scheme in {"mailto", "tel"}:
        return {"text": rest, "address": contact}
    return {"text": contact, "address": contact if is_web_address(contact) else ""}
