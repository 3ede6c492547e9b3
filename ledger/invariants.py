"""What the ledger promises, as queries that return the rows which break it. Pure: texts only.

Each query returns (subject, problem) and has no parameters. They belong in ONE snapshot: a REPEATABLE READ,
read-only transaction (``find_differences``, ``manage.py prove``).
"""

from __future__ import annotations

from typing import Final

from paymentplatform.kernel.invariants import Invariant

_JOURNALS_HAVE_POSTINGS: Final = """
SELECT j.journal_no AS subject, 'has no posting' AS problem
  FROM ledger_journal AS j
 WHERE NOT EXISTS (SELECT 1 FROM ledger_posting AS p WHERE p.journal_no = j.journal_no)
UNION ALL
SELECT p.journal_no || '/' || p.line_no,
       CASE WHEN j.journal_no IS NULL THEN 'belongs to no journal'
            WHEN d.id IS NULL OR c.id IS NULL THEN 'names no account'
            WHEN p.amount <= 0 THEN 'moves ' || p.amount
            ELSE 'currencies disagree: ' || concat_ws(' ', j.currency, p.currency, d.currency, c.currency)
       END
  FROM ledger_posting AS p
  LEFT JOIN ledger_journal AS j ON j.journal_no = p.journal_no
  LEFT JOIN ledger_account AS d ON d.id = p.debit_account_id
  LEFT JOIN ledger_account AS c ON c.id = p.credit_account_id
 WHERE (p.amount > 0 AND p.currency = j.currency AND p.currency = d.currency AND p.currency = c.currency)
       IS NOT TRUE
UNION ALL
SELECT j.journal_no, 'its postings are not those it was posted with'
  FROM ledger_journal AS j
  JOIN ledger_posting AS p ON p.journal_no = j.journal_no
  JOIN ledger_account AS d ON d.id = p.debit_account_id
  JOIN ledger_account AS c ON c.id = p.credit_account_id
 GROUP BY j.journal_no
HAVING md5(concat_ws('|', j.currency, j.reverses, array_agg(d.code ORDER BY p.line_no),
                     array_agg(c.code ORDER BY p.line_no), array_agg(p.amount ORDER BY p.line_no)))::uuid
       <> j.digest
"""

_NO_MONEY_FROM_NOTHING: Final = """
SELECT s.currency AS subject, 'all accounts add up to ' || s.total AS problem
  FROM (SELECT a.currency,
               sum(a.credit_sign * COALESCE(b.balance, r.balance, 0)
                   + CASE WHEN r.account_id IS NULL THEN 0 ELSE
                       COALESCE((SELECT sum(t.amount) FROM ledger_posting AS t
                                  WHERE t.credit_account_id = a.id AND t.xact_id >= r.horizon), 0)
                     - COALESCE((SELECT sum(t.amount) FROM ledger_posting AS t
                                  WHERE t.debit_account_id = a.id AND t.xact_id >= r.horizon), 0)
                     END) AS total
          FROM ledger_account AS a
          LEFT JOIN ledger_payer_balance AS b ON b.account_id = a.id
          LEFT JOIN ledger_roll_up AS r ON r.account_id = a.id
         GROUP BY a.currency) AS s
 WHERE s.total <> 0
"""

_STORED_EQUALS_SUMS: Final = """
WITH move AS (
    SELECT p.credit_account_id AS account_id, p.amount AS change, p.xact_id FROM ledger_posting AS p
    UNION ALL
    SELECT p.debit_account_id, -p.amount, p.xact_id FROM ledger_posting AS p
), flow AS (
    SELECT m.account_id, sum(m.change) AS total,
           sum(m.change) FILTER (WHERE m.xact_id < r.horizon) AS below
      FROM move AS m
      LEFT JOIN ledger_roll_up AS r ON r.account_id = m.account_id
     GROUP BY m.account_id
)
SELECT a.code AS subject,
       CASE WHEN a.kind = 'L10' AND b.account_id IS NULL THEN 'has no balance row'
            WHEN a.kind <> 'L10' AND r.account_id IS NULL THEN 'has no roll-up'
            WHEN a.kind = 'L10' THEN 'balance ' || b.balance || ', postings ' || COALESCE(f.total, 0)
            WHEN r.horizon > pg_snapshot_xmax(pg_current_snapshot())
            THEN 'roll-up of another cluster: its horizon is ' || r.horizon
            ELSE 'roll-up ' || r.balance || ', postings ' || a.credit_sign * COALESCE(f.below, 0)
       END AS problem
  FROM ledger_account AS a
  LEFT JOIN ledger_payer_balance AS b ON b.account_id = a.id
  LEFT JOIN ledger_roll_up AS r ON r.account_id = a.id
  LEFT JOIN flow AS f ON f.account_id = a.id
 WHERE CASE WHEN a.kind = 'L10' THEN b.balance IS DISTINCT FROM COALESCE(f.total, 0)
            ELSE r.balance IS DISTINCT FROM a.credit_sign * COALESCE(f.below, 0)
                 OR r.horizon > pg_snapshot_xmax(pg_current_snapshot())
       END
"""

_NO_OVERDRAFT: Final = """
WITH flow AS (
    SELECT p.credit_account_id AS account_id, p.amount AS change FROM ledger_posting AS p
    UNION ALL
    SELECT p.debit_account_id, -p.amount FROM ledger_posting AS p
), pulled_back AS (
    SELECT p.debit_account_id AS account_id, sum(p.amount) AS total
      FROM ledger_posting AS p
      JOIN ledger_account AS c ON c.id = p.credit_account_id
     WHERE c.kind IN ('A10', 'A90')
     GROUP BY p.debit_account_id
)
SELECT a.code AS subject, 'balance ' || b.balance || ', held ' || b.held AS problem
  FROM ledger_payer_balance AS b
  JOIN ledger_account AS a ON a.id = b.account_id
 WHERE b.held < 0 OR b.held > b.balance
UNION ALL
SELECT a.code, 'held ' || b.held || ', open holds ' || COALESCE(h.total, 0)
  FROM ledger_payer_balance AS b
  JOIN ledger_account AS a ON a.id = b.account_id
  LEFT JOIN (SELECT o.account_id, sum(o.amount) AS total FROM ledger_hold AS o
              WHERE o.status = 'OPEN' GROUP BY o.account_id) AS h ON h.account_id = b.account_id
 WHERE b.held <> COALESCE(h.total, 0)
UNION ALL
SELECT a.code, 'spent down to ' || sum(f.change)
  FROM ledger_account AS a
  JOIN flow AS f ON f.account_id = a.id
  LEFT JOIN pulled_back AS x ON x.account_id = a.id
 WHERE a.kind IN ('L20', 'L21', 'L22', 'L30', 'L90')
 GROUP BY a.id, a.code, a.kind, x.total
HAVING sum(f.change) + CASE WHEN a.kind = 'L21' THEN COALESCE(x.total, 0) ELSE 0 END < 0
UNION ALL
SELECT h.hold_no, 'captured by journal ' || COALESCE(h.journal_no, '–') || ', which does not exist'
  FROM ledger_hold AS h
 WHERE h.status = 'CAPTURED'
   AND NOT EXISTS (SELECT 1 FROM ledger_journal AS j WHERE j.journal_no = h.journal_no)
"""

_HOLD_HISTORY: Final = """
SELECT t.object_no AS subject, 'left ' || t.from_status || ' for ' || t.to_status AS problem
  FROM ledger_transition AS t
 WHERE t.machine = 'hold' AND t.from_status IN ('CAPTURED', 'RELEASED')
UNION ALL
SELECT h.hold_no, 'is ' || h.status || ', its last event says ' || COALESCE(l.to_status, 'nothing')
  FROM ledger_hold AS h
  LEFT JOIN LATERAL (SELECT t.to_status FROM ledger_transition AS t
                      WHERE t.object_no = h.hold_no ORDER BY t.id DESC LIMIT 1) AS l ON true
 WHERE l.to_status IS DISTINCT FROM h.status
"""

_NO_DUPLICATES: Final = """
SELECT j.event_type || ' ' || j.event_id AS subject, 'posted ' || count(*) || ' times' AS problem
  FROM ledger_journal AS j GROUP BY j.event_type, j.event_id HAVING count(*) > 1
UNION ALL
SELECT j.reverses, 'reversed ' || count(*) || ' times'
  FROM ledger_journal AS j WHERE j.reverses IS NOT NULL GROUP BY j.reverses HAVING count(*) > 1
UNION ALL
SELECT j.journal_no, 'reverses ' || j.reverses || ', which does not exist'
  FROM ledger_journal AS j
 WHERE j.reverses IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM ledger_journal AS o WHERE o.journal_no = j.reverses)
UNION ALL
SELECT a.code, 'opened ' || count(*) || ' times'
  FROM ledger_account AS a GROUP BY a.code HAVING count(*) > 1
UNION ALL
SELECT h.hold_no, 'held ' || count(*) || ' times'
  FROM ledger_hold AS h GROUP BY h.hold_no HAVING count(*) > 1
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        1, "Every journal has its postings, positive and in one currency", _JOURNALS_HAVE_POSTINGS
    ),
    Invariant(2, "All accounts together are zero per currency", _NO_MONEY_FROM_NOTHING),
    Invariant(3, "Stored balances and roll-ups equal the sums of postings", _STORED_EQUALS_SUMS),
    Invariant(4, "No overdraft; what is held equals the open holds", _NO_OVERDRAFT),
    Invariant(
        10, "Holds: no event leaves a terminal state, the last one is the state", _HOLD_HISTORY
    ),
    Invariant(14, "Ledger: no duplicate events, reversals, accounts, holds", _NO_DUPLICATES),
)
"""The ledger's part of the promised invariants, by their public numbers."""
