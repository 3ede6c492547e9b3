"""What the ledger promises of sealed journals and closed days, beside its invariants. Pure: texts only.

``manage.py verify_ledger`` asks these as well. They read every journal once more, so ``prove`` leaves them to it.
"""

from __future__ import annotations

from typing import Final

from ledger.invariants import INVARIANTS
from paymentplatform.kernel.invariants import Invariant

_CHAIN: Final = """
SELECT 'block ' || s.block_no AS subject,
       CASE WHEN s.from_xact <> COALESCE(b.to_xact, '0') THEN 'does not begin where the one before ends'
            WHEN (c.journals, c.postings) <> (s.journal_count, s.posting_count)
            THEN 'was sealed with ' || s.journal_count || ' journals, ' || s.posting_count || ' postings, and has '
                 || c.journals || ', ' || c.postings
            ELSE 'its journals are not what was sealed' END AS problem
  FROM ledger_seal AS s
  LEFT JOIN ledger_seal AS b ON b.block_no = s.block_no - 1
 CROSS JOIN LATERAL ledger_seal_content(s.from_xact, s.to_xact) AS c
 WHERE s.from_xact <> COALESCE(b.to_xact, '0') OR (c.journals, c.postings) <> (s.journal_count, s.posting_count)
    OR s.hash <> encode(sha256(convert_to(COALESCE(b.hash, ''), 'UTF8') || c.digest), 'hex')
UNION ALL
SELECT d.accounting_date::text, 'its anchor is no block of the chain'
  FROM ledger_day AS d
 WHERE d.closed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger_seal AS s WHERE s.hash = d.anchor)
"""

_CLOSED_DAYS: Final = """
WITH closed AS (
    SELECT max(accounting_date) AS day FROM ledger_day WHERE closed_at IS NOT NULL
), said AS (
    SELECT b.account_id, b.accounting_date, b.debits, b.credits, b.balance,
           sum(b.credits - b.debits) OVER (PARTITION BY b.account_id ORDER BY b.accounting_date) AS total
      FROM ledger_daily_balance AS b
), posted AS (
    SELECT s.account_id, s.accounting_date, sum(s.debit) AS debits, sum(s.credit) AS credits
      FROM (SELECT p.debit_account_id AS account_id, j.accounting_date, p.amount AS debit, 0 AS credit
              FROM ledger_journal AS j JOIN ledger_posting AS p ON p.journal_no = j.journal_no
             WHERE j.accounting_date <= (SELECT day FROM closed)
            UNION ALL
            SELECT p.credit_account_id, j.accounting_date, 0, p.amount
              FROM ledger_journal AS j JOIN ledger_posting AS p ON p.journal_no = j.journal_no
             WHERE j.accounting_date <= (SELECT day FROM closed)) AS s
     GROUP BY s.account_id, s.accounting_date
)
SELECT a.code || ' on ' || accounting_date AS subject,
       'debits ' || COALESCE(s.debits, 0) || ', credits ' || COALESCE(s.credits, 0) || ', balance '
       || COALESCE(s.balance, 0) || '; its postings say ' || COALESCE(p.debits, 0) || ', ' || COALESCE(p.credits, 0)
       AS problem
  FROM said AS s FULL JOIN posted AS p USING (account_id, accounting_date)
  JOIN ledger_account AS a ON a.id = account_id
 WHERE (s.debits, s.credits) IS DISTINCT FROM (p.debits::bigint, p.credits::bigint)
    OR s.balance <> a.credit_sign * s.total
UNION ALL
SELECT j.journal_no, 'is dated ' || j.accounting_date || ', and was posted after that day was closed'
  FROM ledger_day AS d
  JOIN ledger_journal AS j ON j.accounting_date = d.accounting_date
  JOIN ledger_posting AS p ON p.journal_no = j.journal_no
 WHERE d.closed_at IS NOT NULL AND (p.xact_id BETWEEN d.first_xact AND d.last_xact) IS NOT TRUE
"""

SEALED_INVARIANTS: Final = (
    Invariant(1, "Sealed journals are what was sealed, block after block", _CHAIN),
    Invariant(3, "Closed days say what their postings say, and nothing came after", _CLOSED_DAYS),
)

VERIFIED: Final[tuple[Invariant, ...]] = (*INVARIANTS, *SEALED_INVARIANTS)
"""All that ``verify_ledger`` asks."""
