"""What holds between settlement, payments and the ledger, as queries that return the rows which break it. Pure: texts.

See ``invariants`` beside this file for what such a query is.
"""

from __future__ import annotations

from typing import Final

from paymentplatform.kernel.invariants import Invariant

_PAYOUT_IS_POSTED: Final = """
WITH payout AS (
    SELECT p.payout_no, p.status, p.amount, p.currency, ':' || p.merchant_no || ':' || p.currency AS owner
      FROM acquiring_payout AS p
), owed AS (
    SELECT 'payout_sent' AS fact, payout_no, 'L21' || owner AS debit, 'L22' || owner AS credit, amount
      FROM payout WHERE status IN ('SENT', 'PAID', 'FAILED')
    UNION ALL
    SELECT 'payout_confirmed', payout_no, 'L22' || owner, 'A20:platform:' || currency, amount
      FROM payout WHERE status = 'PAID'
    UNION ALL
    SELECT 'payout_failed', payout_no, 'L22' || owner, 'L21' || owner, amount FROM payout WHERE status = 'FAILED'
    UNION ALL
    SELECT 'payout_returned', payout_no, 'A20:platform:' || currency, 'L21' || owner, amount
      FROM payout JOIN acquiring_payout_return AS r USING (payout_no) WHERE status = 'PAID'
    UNION ALL
    SELECT 'payout_returned', r.payout_no, 'A20', 'L21', 0 FROM acquiring_payout_return AS r
     WHERE NOT EXISTS (SELECT 1 FROM acquiring_payout AS p WHERE p.payout_no = r.payout_no AND p.status = 'PAID')
), posted AS (
    SELECT j.event_type AS fact, j.event_id AS payout_no, d.code AS debit, c.code AS credit, sum(l.amount) AS amount
      FROM ledger_journal AS j
      JOIN ledger_posting AS l ON l.journal_no = j.journal_no
      JOIN ledger_account AS d ON d.id = l.debit_account_id
      JOIN ledger_account AS c ON c.id = l.credit_account_id
     WHERE j.event_type IN ('payout_sent', 'payout_confirmed', 'payout_failed', 'payout_returned')
     GROUP BY 1, 2, 3, 4
)
SELECT payout_no AS subject,
       fact || ', ' || debit || ' to ' || credit || ': owed ' || COALESCE(o.amount, 0) || ', posted '
       || COALESCE(l.amount, 0) AS problem
  FROM owed AS o FULL JOIN posted AS l USING (fact, payout_no, debit, credit)
 WHERE o.amount IS DISTINCT FROM l.amount
"""

_BATCH_IS_POSTED: Final = """
WITH item AS (
    SELECT i.batch_no, i.merchant_no, i.currency, sum(i.released_amount) AS total, count(*) AS items
      FROM acquiring_settlement_item AS i WHERE i.batch_no IS NOT NULL GROUP BY 1, 2, 3
), posted AS (
    SELECT split_part(j.event_id, '.', 1) AS batch_no, d.owner AS merchant_no, d.currency,
           sum(CASE WHEN d.kind = 'L20' AND c.kind = 'L21' AND c.owner = d.owner THEN l.amount END) AS total
      FROM ledger_journal AS j
      JOIN ledger_posting AS l ON l.journal_no = j.journal_no
      JOIN ledger_account AS d ON d.id = l.debit_account_id
      JOIN ledger_account AS c ON c.id = l.credit_account_id
     WHERE j.event_type = 'merchant_release'
     GROUP BY 1, 2, 3
), batch AS (
    SELECT b.batch_no, b.merchant_no, b.currency, b.net_amount AS total, b.item_count AS items
      FROM acquiring_settlement_batch AS b
)
SELECT batch_no AS subject,
       'says ' || COALESCE(b.total, 0) || ' of ' || COALESCE(b.items, 0) || ' items, they say '
       || COALESCE(i.total, 0) || ' of ' || COALESCE(i.items, 0) || ', posted ' || COALESCE(p.total, 0) AS problem
  FROM batch AS b
  FULL JOIN item AS i USING (batch_no, merchant_no, currency)
  FULL JOIN posted AS p USING (batch_no, merchant_no, currency)
 WHERE (COALESCE(b.total, -1), b.items) IS DISTINCT FROM (COALESCE(i.total, 0), i.items)
    OR COALESCE(b.total, 0) <> COALESCE(p.total, 0)
"""

_RELEASED_WITHIN_CLAIM: Final = """
WITH released AS (
    SELECT i.payment_no, sum(i.released_amount) AS total
      FROM acquiring_settlement_item AS i
     WHERE i.batch_no IS NOT NULL AND i.kind IN ('PAYMENT', 'REFUND_FAILED') GROUP BY i.payment_no
), refunded AS (
    SELECT r.payment_no, sum(r.amount - r.returned_fee) AS total
      FROM engine_refund AS r
     WHERE r.purpose = 'ORDER' AND r.source = 'L20' AND r.status <> 'FAILED' GROUP BY r.payment_no
)
SELECT e.payment_no AS subject,
       e.total || ' were released; it gave ' || COALESCE(p.amount, 0) || ', cost ' || COALESCE(p.fee_amount, 0)
       || ', and refunds took ' || COALESCE(r.total, 0) AS problem
  FROM released AS e
  LEFT JOIN engine_payment_order AS p ON p.payment_no = e.payment_no AND p.status = 'PAID'
  LEFT JOIN refunded AS r ON r.payment_no = e.payment_no
 WHERE e.total > COALESCE(p.amount, 0) - COALESCE(p.fee_amount, 0) - COALESCE(r.total, 0)
UNION ALL
SELECT i.journal_no, 'is over ' || i.amount || ' less ' || i.fee_amount || ', its journal is '
       || COALESCE(j.event_type || ' of ' || j.event_id, 'nowhere')
  FROM acquiring_settlement_item AS i
  LEFT JOIN ledger_journal AS j ON j.journal_no = i.journal_no
 WHERE (j.event_id = i.event_id AND j.currency = i.currency AND j.accounting_date = i.accounting_date) IS NOT TRUE
"""

_FLIGHT_IS_PAYOUTS: Final = """
WITH sent AS (
    SELECT p.merchant_no AS owner, p.currency, sum(p.amount) AS total
      FROM acquiring_payout AS p WHERE p.status = 'SENT' GROUP BY p.merchant_no, p.currency
), booked AS (
    SELECT a.owner, a.currency, sum(m.amount) AS total
      FROM (SELECT p.credit_account_id AS account_id, p.amount FROM ledger_posting AS p
            UNION ALL
            SELECT p.debit_account_id, -p.amount FROM ledger_posting AS p) AS m
      JOIN ledger_account AS a ON a.id = m.account_id AND a.kind = 'L22'
     GROUP BY a.owner, a.currency
)
SELECT 'L22:' || owner || ':' || currency AS subject,
       'is ' || COALESCE(b.total, 0) || ', payouts in flight are ' || COALESCE(s.total, 0) AS problem
  FROM sent AS s FULL JOIN booked AS b USING (owner, currency)
 WHERE COALESCE(s.total, 0) <> COALESCE(b.total, 0)
"""

_BATCHES_END: Final = """
SELECT b.batch_no AS subject, 'is OPEN since ' || b.created_at || ': no run has finished it' AS problem,
       b.created_at AS since
  FROM acquiring_settlement_batch AS b
 WHERE b.status = 'OPEN' AND b.created_at < platform_now() - interval '1 day'
"""

SETTLEMENT_INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        7,
        "Batches and payouts are posted exactly as they say",
        f"{_BATCH_IS_POSTED}UNION ALL ({_PAYOUT_IS_POSTED})",
    ),
    Invariant(
        8,
        "No more of a payment was released than it gave, less its fee and its refunds",
        _RELEASED_WITHIN_CLAIM,
    ),
    Invariant(13, "What is in flight is the payouts that were sent", _FLIGHT_IS_PAYOUTS),
    Invariant(15, "Every settlement batch is finished within a day", _BATCHES_END, always=False),
)
"""Settlement's part of the promised invariants, by their public numbers."""
