"""What checkout promises about its own tables, as queries that return the rows which break it. Pure: texts only."""

from __future__ import annotations

from typing import Final

from checkout.states import MACHINES
from paymentplatform.kernel.invariants import Invariant, build_history_query

_NO_DUPLICATES: Final = """
SELECT min(a.agreement_no) AS subject, 'shares its token with ' || count(*) - 1 || ' other agreements' AS problem
  FROM checkout_payer_agreement AS a GROUP BY a.token_hash HAVING count(*) > 1
UNION ALL
SELECT w.payer_no, 'exists ' || count(*) || ' times'
  FROM checkout_payer_wallet AS w GROUP BY w.payer_no HAVING count(*) > 1
"""

_IN_FORCE_AS_CONSENTED: Final = """
SELECT coalesce(r.agreement_no, a.agreement_no) AS subject,
       'was asked for as ' || coalesce(r.status, 'nothing') || ', and '
       || CASE WHEN a.agreement_no IS NULL THEN 'is not there to pay with'
               WHEN a.revoked_at IS NULL THEN 'pays' ELSE 'does not pay' END AS problem
  FROM checkout_agreement_request AS r
  FULL JOIN checkout_payer_agreement AS a ON a.agreement_no = r.agreement_no
 WHERE ((r.consented_at IS NULL AND a.agreement_no IS NULL)
        OR (r.payer_no = a.payer_id AND r.merchant_no = a.merchant_no AND r.currency = a.currency
            AND r.max_per_payment = a.max_per_payment AND r.max_per_day = a.max_per_day
            AND (r.status = 'ACTIVE') = (a.revoked_at IS NULL))) IS NOT TRUE
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        10,
        "Agreements: legal moves only, the last event is the state, and pays exactly while it stands",
        build_history_query(MACHINES, history="checkout_transition")
        + "\nUNION ALL\n"
        + _IN_FORCE_AS_CONSENTED,
    ),
    Invariant(14, "Payers: no duplicate numbers, tokens", _NO_DUPLICATES),
)
"""Checkout's part of the promised invariants, by their public numbers."""
