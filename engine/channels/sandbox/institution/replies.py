"""What a desk of the institution hands to the API, and the numbers it gives out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.channels.sandbox.institution.documents import Document
from engine.channels.sandbox.institution.scenarios import Reply


@dataclass(frozen=True, slots=True)
class Answer:
    """A document to be sent back, and how well it is to be sent."""

    document: Document
    reply: Reply = Reply.PLAIN


def new_trade_no(kind: str) -> str:
    """Make the institution's own number of a charge (CH) or a refund (RF)."""
    return f"{kind}{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.randbelow(10**12):012d}"
