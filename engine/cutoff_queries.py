"""The pool of the cut-off 跨日待对 as set-based SQL: ours that a channel's files do not show. Pure: texts only.

They read the temporary tables of ``reconciliation_queries`` in the transaction that writes down what differs.
A chargeback is in the pool only when a corrected file of its day has lost it.
"""

from __future__ import annotations

from typing import Final

POOL: Final = """
WITH ours AS MATERIALIZED (
    SELECT 'CHARGE' AS kind, a.channel_trade_no AS match_key, COALESCE(m.late_money_no, a.attempt_no) AS object_no,
           COALESCE(m.amount, a.amount) AS amount, COALESCE(m.currency, a.currency) AS currency
      FROM engine_channel_attempt AS a
      LEFT JOIN engine_late_money AS m
        ON m.channel_code = a.channel_code AND m.channel_trade_no = a.channel_trade_no
     WHERE a.channel_code = %(channel_code)s AND a.status = 'SUCCEEDED'
       AND a.last_outcome_at >= %(begin)s AND a.last_outcome_at < %(end)s
       AND NOT EXISTS (SELECT 1 FROM rec_line AS l WHERE l.kind = 'CHARGE' AND l.match_key = a.channel_trade_no)
    UNION ALL
    SELECT 'CHARGE', m.channel_trade_no, m.late_money_no, m.amount, m.currency
      FROM engine_late_money AS m
     WHERE m.channel_code = %(channel_code)s AND m.created_at >= %(begin)s AND m.created_at < %(end)s
       AND NOT EXISTS (SELECT 1 FROM engine_channel_attempt AS a
                        WHERE a.channel_code = m.channel_code AND a.channel_trade_no = m.channel_trade_no
                          AND a.status = 'SUCCEEDED')
       AND NOT EXISTS (SELECT 1 FROM rec_line AS l WHERE l.kind = 'CHARGE' AND l.match_key = m.channel_trade_no)
    UNION ALL
    SELECT 'REFUND', r.refund_no, r.refund_no, r.external_amount, r.currency
      FROM engine_refund AS r
     WHERE r.channel_code = %(channel_code)s AND r.status = 'SUCCESS' AND r.external_amount > 0
       AND r.succeeded_at >= %(begin)s AND r.succeeded_at < %(end)s
       AND NOT EXISTS (SELECT 1 FROM rec_line AS l WHERE l.kind = 'REFUND' AND l.match_key = r.refund_no)
    UNION ALL
    SELECT DISTINCT 'CHARGEBACK', b.channel_trade_no, b.chargeback_no, COALESCE(b.booked_amount, b.amount), b.currency
      FROM engine_chargeback AS b
      JOIN engine_statement_line AS l ON l.match_key = b.channel_trade_no AND l.kind = 'CHARGEBACK'
      JOIN engine_statement AS s ON s.statement_no = l.statement_no
     WHERE b.channel_code = %(channel_code)s AND s.channel_code = b.channel_code
       AND s.statement_date = %(statement_date)s AND s.superseded_at IS NOT NULL
    UNION ALL
    SELECT d.line_kind, d.match_key, min(d.discrepancy_no), 0, d.currency
      FROM engine_discrepancy AS d
      JOIN engine_statement_line AS l ON l.match_key = d.match_key AND l.kind = d.line_kind
      JOIN engine_statement AS s ON s.statement_no = l.statement_no
     WHERE d.channel_code = %(channel_code)s AND d.kind = 'CHANNEL_ONLY' AND d.line_kind IN ('REFUND', 'CHARGEBACK')
       AND d.resolution IN ('CREDITED', 'RECOVERED', 'CHARGED', 'WRITTEN_OFF') AND s.channel_code = d.channel_code
       AND s.statement_date = %(statement_date)s AND s.superseded_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM engine_chargeback AS b
                        WHERE b.channel_code = d.channel_code AND b.channel_trade_no = d.match_key)
     GROUP BY d.line_kind, d.match_key, d.currency
)
INSERT INTO engine_cutoff_entry (object_no, channel_code, kind, match_key, amount, currency, business_date)
SELECT o.object_no, %(channel_code)s, o.kind, o.match_key, o.amount, o.currency, %(statement_date)s
  FROM ours AS o
 WHERE NOT EXISTS (SELECT 1 FROM engine_statement_line AS l
                     JOIN engine_statement AS s ON s.statement_no = l.statement_no
                    WHERE l.match_key = o.match_key AND l.kind = o.kind
                      AND s.channel_code = %(channel_code)s AND s.superseded_at IS NULL)
    ON CONFLICT (object_no) DO NOTHING
"""
"""Ours of the day that no file has: into the pool. So is a chargeback that a corrected file of the day has no more, and
what it said of a refund or chargeback that is none of ours, when two people have borne that."""

LOST_AGAIN: Final = """
UPDATE engine_cutoff_entry AS e SET found_at = NULL, found_statement_no = NULL
 WHERE e.channel_code = %(channel_code)s AND e.found_at IS NOT NULL
   AND EXISTS (SELECT 1 FROM engine_statement AS s
                WHERE s.statement_no = e.found_statement_no AND s.superseded_at IS NOT NULL)
"""
"""Found in a version of a file that no longer counts."""

FOUND: Final = """
UPDATE engine_cutoff_entry AS e SET found_at = platform_now(), found_statement_no = f.statement_no
  FROM (SELECT w.object_no, min(s.statement_no) AS statement_no
          FROM engine_cutoff_entry AS w
          JOIN engine_statement_line AS l ON l.match_key = w.match_key AND l.kind = w.kind
          JOIN engine_statement AS s ON s.statement_no = l.statement_no
         WHERE w.channel_code = %(channel_code)s AND w.found_at IS NULL
           AND s.channel_code = w.channel_code AND s.superseded_at IS NULL
         GROUP BY w.object_no) AS f
 WHERE e.object_no = f.object_no
"""

OVERDUE: Final = """
INSERT INTO rec_difference (kind, line_kind, match_key, ordinal, object_no, merchant_no, our_status, our_amount,
                            our_currency, difference, currency, is_posted, statement_date)
SELECT 'PLATFORM_ONLY', e.kind, e.match_key, 1, e.object_no,
       COALESCE((SELECT m.merchant_no FROM engine_late_money AS m WHERE m.late_money_no = e.object_no),
                (SELECT r.merchant_no FROM engine_refund AS r WHERE r.refund_no = e.object_no),
                (SELECT b.merchant_no FROM engine_chargeback AS b WHERE b.chargeback_no = e.object_no),
                (SELECT p.merchant_no FROM engine_channel_attempt AS a
                   JOIN engine_payment_order AS p ON p.payment_no = a.payment_no
                  WHERE a.attempt_no = e.object_no)),
       CASE e.kind WHEN 'REFUND' THEN 'SUCCESS' ELSE 'SUCCEEDED' END, abs(o.booked), e.currency,
       -o.booked, e.currency, true, e.business_date
  FROM engine_cutoff_entry AS e
  LEFT JOIN rec_decided AS x ON x.kind = e.kind AND x.match_key = e.match_key AND x.currency = e.currency
 CROSS JOIN LATERAL (SELECT CASE e.kind WHEN 'CHARGE' THEN e.amount ELSE -e.amount END + COALESCE(x.amount, 0)
                            AS booked) AS o
  LEFT JOIN LATERAL (SELECT d.resolution FROM engine_discrepancy AS d
                      WHERE d.match_key = e.match_key AND d.object_no = e.object_no AND d.kind = 'PLATFORM_ONLY'
                      ORDER BY d.discrepancy_no DESC LIMIT 1) AS d ON true
 WHERE o.booked <> 0 AND e.channel_code = %(channel_code)s AND e.found_at IS NULL
   AND (e.overdue_at IS NULL OR d.resolution = 'FOUND_LATER'
        OR e.kind <> 'CHARGE' AND d.resolution IN ('CREDITED', 'RECOVERED'))
   AND (e.kind = 'CHARGEBACK' OR e.amount = 0
        OR e.business_date <= %(statement_date)s::date - %(grace_days)s
           AND (SELECT count(DISTINCT s.statement_date) FROM engine_statement AS s
                 WHERE s.channel_code = e.channel_code AND s.superseded_at IS NULL
                   AND s.statement_date BETWEEN e.business_date AND %(statement_date)s::date
                   AND (s.reconciled_at IS NOT NULL OR s.statement_no = %(statement_no)s)) > %(grace_days)s)
"""
"""What waited through the days of grace, in as many files, is a difference of its own day.

A chargeback, and what is none of ours, wait for nothing: their file has said it and says so no more. What was found
late and is lost again is a difference again; so is what was given back, came again, was borne again and is lost again.
"""

MARK_OVERDUE: Final = """
UPDATE engine_cutoff_entry AS e SET overdue_at = platform_now()
  FROM rec_difference AS d
 WHERE d.kind = 'PLATFORM_ONLY' AND e.object_no = d.object_no AND e.overdue_at IS NULL
"""

WAITING: Final = """
SELECT count(*) FROM engine_cutoff_entry AS e
 WHERE e.channel_code = %(channel_code)s AND e.kind <> 'CHARGEBACK' AND e.amount > 0
   AND e.found_at IS NULL AND e.overdue_at IS NULL
"""
