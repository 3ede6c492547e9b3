"""Take secrets out of text before anybody keeps it: log lines, raw answers of institutions.

Pure: imports no framework.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"

SECRET_NAMES: Final = re.compile(
    r"authorization|password|passwd|secret|cookie|csrf|private_key|encryption_key|signing_key"
    r"|card_number|\bpan\b|\bcvv\b|\bcvc\b|token",
    re.IGNORECASE,
)
"""A value under such a name is never kept, whatever it looks like."""

_SECRET_TEXT: Final = re.compile(
    r"(?P<key>\b(?:sk|hk|whsec|tok|pt|ptk|pat)_[A-Za-z0-9+/=_\-]{6,})"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[^\s\"',;]+"
    r"|(?P<url>://[^:/@\s]*:)[^@/\s]+(?=@)"
    r"|(?P<path>/(?:cashier|agreements)/)[^/\s?\"']+"
    r"|(?P<card>(?<![\w.\-])\d(?:[ \-]?\d){12,18}(?![\w.\-]))",
    re.IGNORECASE,
)
_NAMED_SECRET: Final = re.compile(
    r"""(?P<name>["']?[\w\-]*(?:authorization|password|passwd|secret|token|cvv|cvc)["']?\s*[:=]\s*)"""
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s,;&}"']+)""",
    re.IGNORECASE,
)
_NAMES_OF_SECRETS: Final = ("authorization", "password", "passwd", "secret", "token", "cvv", "cvc")
"""Without one of these words _NAMED_SECRET finds nothing, and takes long for it."""
_NOT_STORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What no text column takes: an answer that holds it must not be lost for that."""

_DEPTH: Final = 6


def redact_text(text: str) -> str:
    """Replace what looks like a key, a token, a password or a card number, and what cannot be stored."""
    text = _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    text = _SECRET_TEXT.sub(_replace, text)
    lowered = text.lower()
    if text.isascii() and not any(word in lowered for word in _NAMES_OF_SECRETS):
        return text
    return _NAMED_SECRET.sub(rf"\g<name>{REDACTED}", text)


def _replace(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "card":
        return REDACTED if _is_card_number(match["card"]) else match["card"]
    if kind == "key":
        return match["key"].split("_", 1)[0] + f"_{REDACTED}"
    return match[kind or 0] + REDACTED


def _is_card_number(text: str) -> bool:
    """Tell by the Luhn check, so that times and institutions' own numbers stay readable."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def redact_value(value: Any, *, depth: int = _DEPTH) -> Any:
    """Redact a value and everything inside it; what is nested deeper than ``depth`` is cut off."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth == 0:
        return "[…]"
    if isinstance(value, Mapping):
        return {
            str(name): REDACTED
            if is_secret_name(str(name))
            else redact_value(item, depth=depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_value(item, depth=depth - 1) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    return redact_text(str(value))


def is_secret_name(name: str) -> bool:
    """Tell whether a field with this name holds a secret."""
    return SECRET_NAMES.search(name) is not None
