"""What checkout promises about its own tables, as queries that return the rows which break it. Pure: texts only."""

from __future__ import annotations

from typing import Final

from paymentplatform.kernel.invariants import Invariant

_NO_DUPLICATES: Final = """
SELECT min(a.agreement_no) AS subject, 'shares its token with ' || count(*) - 1 || ' other agreements' AS problem
  FROM checkout_payer_agreement AS a GROUP BY a.token_hash HAVING count(*) > 1
UNION ALL
SELECT w.payer_no, 'exists ' || count(*) || ' times'
  FROM checkout_payer_wallet AS w GROUP BY w.payer_no HAVING count(*) > 1
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(14, "Payers: no duplicate numbers, tokens", _NO_DUPLICATES),
)
"""Checkout's part of the promised invariants, by their public numbers."""
