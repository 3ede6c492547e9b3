"""Idempotency keys 幂等键, layer 2: the same key with the same request gets the first answer again."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from paymentplatform.kernel import numbers

_claim: Final[ContextVar[str | None]] = ContextVar("idempotency_claim", default=None)


def current_claim() -> str | None:
    """Return the number (``idk_…``) of the claim under which the present request runs, or None without a key."""
    return _claim.get()


def new_or_claimed_number(prefix: str) -> str:
    """Return the number for what the present request makes: the same again when the request is run again.

    For things without a number of the merchant's. Whoever inserts under it uses ON CONFLICT DO NOTHING and answers
    with the row that is there. A request makes at most one thing of each prefix.
    """
    claim = _claim.get()
    if claim is None:
        return numbers.new_number(prefix)
    return numbers.derive_number(prefix, parent=claim, count=1)
