"""Public numbers: prefixed, time-ordered, made by the application (no sequence, no round trip).

Layout: 10 characters of milliseconds since 1970 and 12 random ones (60 bits), Crockford base 32, lower case.
Pure: imports no framework.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from datetime import datetime
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_BODY: Final = re.compile(r"[0-9a-hjkmnp-tv-z]{22}\Z")

ORDER: Final = "ord"
PAYMENT: Final = "pay"
DETAIL: Final = "pdt"
ATTEMPT: Final = "att"
REFUND: Final = "rfd"
LATE_MONEY: Final = "ltm"
CASE: Final = "cas"
STATEMENT: Final = "stm"
DISCREPANCY: Final = "dsc"
CHARGEBACK: Final = "cbk"
CHANNEL_SETTLEMENT: Final = "cst"
JOURNAL: Final = "jnl"
CARD: Final = "crd"
HOLD: Final = "hld"
EVENT: Final = "evt"
DELIVERY: Final = "dlv"
ENDPOINT: Final = "wep"
MERCHANT: Final = "mch"
KEY: Final = "key"
PAYER: Final = "pyr"
AGREEMENT: Final = "agr"
PROPOSAL: Final = "prp"
PROOF: Final = "prf"
RISK_RULE: Final = "rul"
RISK_ENTRY: Final = "rle"
RISK_REVIEW: Final = "rvw"
REQUEST: Final = "req"
CLAIM: Final = "idk"
FEE_CONTRACT: Final = "fee"
SETTLEMENT_BATCH: Final = "stb"
SETTLEMENT_HOLD: Final = "sth"
PAYOUT: Final = "pyo"


def new_number(prefix: str) -> str:
    """Make a number such as ``ord_01k9…``: unique without a table, sorted by the time it was made."""
    value = (time.time_ns() // 1_000_000) << 60 | int.from_bytes(os.urandom(8), "big") >> 4
    pairs = _PAIRS
    body = [pairs[(value >> shift) & 1023] for shift in range(100, -1, -10)]
    return f"{prefix}_{''.join(body)}"


def new_numbers(*prefixes: str) -> list[str]:
    """Make numbers for different things that come into being together: the same but for their prefixes.

    For things whose numbers give no access to anything; one draw of chance instead of one for each.
    """
    body = new_number("")
    return [prefix + body for prefix in prefixes]


def derive_number(prefix: str, *, parent: str, count: int) -> str:
    """Make the number of what will be the ``count``-th thing made out of ``parent``: known before it is made.

    It sorts by its parent's time; the rest is a hash, so it tells nothing and meets no other number.
    """
    value = int.from_bytes(hashlib.sha256(f"{prefix}/{parent}/{count}".encode()).digest()[:8]) >> 4
    tail = "".join(_PAIRS[(value >> shift) & 1023] for shift in range(50, -1, -10))
    return f"{prefix}_{parent.partition('_')[2][:10]}{tail}"


def first_number(prefix: str, at: datetime) -> str:
    """Return what sorts before every number of this prefix made at ``at`` or later, and after all made earlier."""
    value = int(at.timestamp() * 1000)
    return f"{prefix}_{''.join(_PAIRS[(value >> shift) & 1023] for shift in range(40, -1, -10))}"


def is_number(value: str, prefix: str) -> bool:
    """Tell whether ``value`` has the form of a number with this prefix (it need not exist)."""
    return (
        value.startswith(prefix)
        and value[len(prefix) : len(prefix) + 1] == "_"
        and _BODY.match(value, len(prefix) + 1) is not None
    )
