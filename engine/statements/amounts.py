"""Reading amounts, strictly: whole minor units or nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from paymentplatform.kernel.money import CURRENCY_EXPONENTS

MAX_LINE_AMOUNT: Final = 10**15
_MINOR: Final = re.compile(r"-?[0-9]{1,15}\Z")
_MAJOR: Final = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,8}))?\Z")

AmountReader = Callable[[str, str], int]
"""(text, currency) → minor units; raises ValueError."""


def read_minor(text: str, _currency: str) -> int:
    """Read minor units: ``1280``."""
    if not _MINOR.match(text):
        raise ValueError(text)
    return int(text)


def read_major(text: str, currency: str) -> int:
    """Read major units: ``12.80`` or ``12.80000``; a fraction of a minor unit is refused, not rounded."""
    found = _MAJOR.match(text)
    if found is None:
        raise ValueError(text)
    exponent = CURRENCY_EXPONENTS[currency]
    fraction = found[3] or ""
    if fraction[exponent:].strip("0"):
        raise ValueError(text)
    minor = int(found[2]) * 10**exponent + int((fraction + "0" * exponent)[:exponent] or "0")
    return -minor if found[1] else minor
