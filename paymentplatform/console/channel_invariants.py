"""What holds between channels' money and the ledger, as queries for ``invariants``. Pure: texts only."""

from __future__ import annotations

from typing import Final

CHANNEL_OWES_SUCCESSES: Final = """
WITH taken AS (
    SELECT s.channel_code, s.currency, sum(s.amount) AS total
      FROM (SELECT a.channel_code, a.currency, a.amount
              FROM engine_channel_attempt AS a
             WHERE a.status = 'SUCCEEDED'
               AND NOT EXISTS (SELECT 1 FROM engine_late_money AS l
                                WHERE l.channel_code = a.channel_code
                                  AND l.channel_trade_no = a.channel_trade_no)
            UNION ALL
            SELECT l.channel_code, l.currency, l.amount FROM engine_late_money AS l
            UNION ALL
            SELECT r.channel_code, r.currency, -r.external_amount
              FROM engine_refund AS r WHERE r.status = 'SUCCESS' AND r.external_amount > 0
            UNION ALL
            SELECT c.channel_code, c.currency, -c.gross FROM engine_channel_settlement AS c
            UNION ALL
            SELECT b.channel_code, b.currency, -COALESCE(b.booked_amount, b.amount)
              FROM engine_chargeback AS b WHERE b.discrepancy_no IS NULL
            UNION ALL
            SELECT d.channel_code, d.currency, d.difference
              FROM engine_discrepancy AS d
             WHERE d.posted_at IS NOT NULL
               AND (d.resolved_at IS NULL OR d.resolution IN ('CREDITED', 'RECOVERED', 'CHARGED', 'WRITTEN_OFF'))) AS s
     GROUP BY s.channel_code, s.currency
), booked AS (
    SELECT a.owner AS channel_code, a.currency, sum(m.amount) AS total
      FROM (SELECT p.debit_account_id AS account_id, p.amount FROM ledger_posting AS p
            UNION ALL
            SELECT p.credit_account_id, -p.amount FROM ledger_posting AS p) AS m
      JOIN ledger_account AS a ON a.id = m.account_id AND a.kind = 'A10'
     GROUP BY a.owner, a.currency
)
SELECT 'A10:' || channel_code || ':' || currency AS subject,
       'is ' || COALESCE(b.total, 0) || ', successes of the channel less refunds, chargebacks and settlements, with '
       || 'the differences that stand, are ' || COALESCE(t.total, 0)
       AS problem,
       NULL::timestamptz AS since
  FROM taken AS t FULL JOIN booked AS b USING (channel_code, currency)
 WHERE COALESCE(t.total, 0) <> COALESCE(b.total, 0)
"""

SUSPENSE_IS_EXPLAINED: Final = """
WITH waiting AS (
    SELECT s.kind, s.channel_code, s.currency, sum(s.amount) AS total
      FROM (SELECT 'L90' AS kind, l.channel_code, l.currency, l.amount - l.pulled_back_amount AS amount
              FROM engine_late_money AS l WHERE l.status = 'OPEN'
            UNION ALL
            SELECT CASE WHEN d.difference > 0 THEN 'L90' ELSE 'A90' END, d.channel_code, d.currency, abs(d.difference)
              FROM engine_discrepancy AS d
             WHERE d.posted_at IS NOT NULL AND d.resolved_at IS NULL) AS s
     GROUP BY s.kind, s.channel_code, s.currency
), booked AS (
    SELECT a.kind, a.owner AS channel_code, a.currency, sum(a.credit_sign * m.amount) AS total
      FROM (SELECT p.credit_account_id AS account_id, p.amount FROM ledger_posting AS p
            UNION ALL
            SELECT p.debit_account_id, -p.amount FROM ledger_posting AS p) AS m
      JOIN ledger_account AS a ON a.id = m.account_id AND a.kind IN ('L90', 'A90')
     GROUP BY a.kind, a.owner, a.currency
)
SELECT kind || ':' || channel_code || ':' || currency AS subject,
       'is ' || COALESCE(b.total, 0) || CASE kind WHEN 'L90' THEN ', open late money and long differences are '
                                                  ELSE ', open short differences are ' END
       || COALESCE(w.total, 0) AS problem,
       NULL::timestamptz AS since
  FROM waiting AS w FULL JOIN booked AS b USING (kind, channel_code, currency)
 WHERE COALESCE(w.total, 0) <> COALESCE(b.total, 0)
UNION ALL
SELECT l.late_money_no, 'over ' || l.amount || ' ' || l.currency || ' is not posted as such', l.created_at
  FROM engine_late_money AS l
 WHERE NOT EXISTS (
    SELECT 1 FROM ledger_journal AS j
      JOIN ledger_posting AS p ON p.journal_no = j.journal_no AND p.amount = l.amount
      JOIN ledger_account AS d ON d.id = p.debit_account_id AND d.code = 'A10:' || l.channel_code || ':' || l.currency
      JOIN ledger_account AS c ON c.id = p.credit_account_id AND c.code = 'L90:' || l.channel_code || ':' || l.currency
     WHERE j.event_type = 'late_money' AND j.event_id = l.late_money_no)
UNION ALL
SELECT d.discrepancy_no, 'of ' || d.difference || ' ' || d.currency || ' is not posted as such', d.posted_at
  FROM engine_discrepancy AS d
 CROSS JOIN LATERAL (SELECT CASE WHEN d.difference > 0 THEN 'channel_long' ELSE 'channel_short' END AS fact,
                            CASE WHEN d.difference > 0 THEN 'A10:' ELSE 'A90:' END
                            || d.channel_code || ':' || d.currency AS debit,
                            CASE WHEN d.difference > 0 THEN 'L90:' ELSE 'A10:' END
                            || d.channel_code || ':' || d.currency AS credit) AS n
 WHERE d.posted_at IS NOT NULL
   AND NOT EXISTS (
    SELECT 1 FROM ledger_journal AS j
      JOIN ledger_posting AS p ON p.journal_no = j.journal_no AND p.amount = abs(d.difference)
      JOIN ledger_account AS x ON x.id = p.debit_account_id AND x.code = n.debit
      JOIN ledger_account AS y ON y.id = p.credit_account_id AND y.code = n.credit
     WHERE j.event_type = n.fact AND j.event_id = d.discrepancy_no)
"""

DIFFERENCES_WAIT_FOR_SOMEBODY: Final = """
SELECT d.discrepancy_no AS subject, 'is PROPOSED, and no open proposal is about it' AS problem, t.at AS since
  FROM engine_discrepancy AS d
  LEFT JOIN LATERAL (SELECT max(t.at) AS at FROM engine_transition AS t
                      WHERE t.object_no = d.discrepancy_no) AS t ON true
 WHERE d.status = 'PROPOSED'
   AND NOT EXISTS (SELECT 1 FROM console_proposal AS p
                    WHERE p.status = 'OPEN' AND p.kind = 'discrepancy_resolution' AND p.reference = d.discrepancy_no)
"""
