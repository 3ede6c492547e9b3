"""Reconciliation as set-based SQL: a statement beside our books, both ways, without a loop over rows. Pure: texts only.

The temporary tables are filled in this order, each in a transaction of its own; what is written is one transaction.
``rec_line`` is the statement with repetitions
counted, ``rec_odd`` what does not agree, ``rec_difference`` what is to be written down. Signs: a charge is money the
channel owes us (+), a refund or a chargeback money it has paid out (−); ``difference`` is channel less ours. Ours is
what we have booked with what two people have decided about it (``rec_decided``): once ten of a hundred are written off,
a file that says ninety agrees, and one that says a hundred has ten more.
"""

from __future__ import annotations

from typing import Final

BOOKED_STATES: Final = "('WRITTEN_OFF', 'CHARGED')"
"""Resolutions after which a short difference is over: what comes later is new money."""

LINES: Final = """
CREATE TEMP TABLE rec_line AS
SELECT l.line_no, l.kind, l.match_key, l.channel_trade_no, l.request_no, l.amount, l.currency, l.fee,
       row_number() OVER (PARTITION BY l.kind, l.match_key ORDER BY l.line_no) AS ordinal
  FROM engine_statement_line AS l
 WHERE l.statement_no = %(statement_no)s
"""

REPEATED: Final = """
CREATE TEMP TABLE rec_repeated AS
SELECT DISTINCT r.kind, r.match_key
  FROM engine_statement AS s
  JOIN engine_statement_line AS l ON l.statement_no = s.statement_no
  JOIN rec_line AS r ON r.match_key = l.match_key AND r.kind = l.kind
 WHERE s.channel_code = %(channel_code)s AND s.superseded_at IS NULL
   AND s.statement_date BETWEEN %(statement_date)s::date - %(look_back)s AND %(statement_date)s::date - 1
"""
"""What an earlier day's file has said already."""

WRITTEN_OFF: Final = f"""
CREATE TEMP TABLE rec_written_off AS
SELECT d.line_kind AS kind, d.match_key
  FROM engine_discrepancy AS d
 WHERE d.channel_code = %(channel_code)s AND d.kind = 'PLATFORM_ONLY' AND d.resolution IN {BOOKED_STATES}
"""  # noqa: S608 - a text of ours

_DECIDED_SUMS: Final = """
SELECT d.line_kind AS kind, d.match_key, d.currency, sum(d.difference)::bigint AS amount
  FROM engine_discrepancy AS d
 WHERE d.channel_code = %(channel_code)s AND (d.kind <> 'PLATFORM_ONLY' OR d.line_kind <> 'CHARGE')
   AND d.resolution IN ('CREDITED', 'RECOVERED', 'CHARGED', 'WRITTEN_OFF')
   AND NOT EXISTS (SELECT 1 FROM engine_chargeback AS b WHERE b.discrepancy_no = d.discrepancy_no)
 GROUP BY d.line_kind, d.match_key, d.currency
"""
"""What people have decided of each trade, channel less ours. A chargeback of theirs is a row of ours by itself.

One that was given back because its file has lost it counts here, so that it is ours no more."""

DECIDED: Final = f"""
CREATE TEMP TABLE rec_decided AS {_DECIDED_SUMS}
"""

ODD: Final = """
CREATE TEMP TABLE rec_odd AS
SELECT l.*, s.sign, o.object_no, o.our_status, o.our_amount, o.our_currency, o.merchant_no,
       COALESCE(x.amount, 0) AS decided, COALESCE(y.amount, 0) AS decided_in_ours,
       f.expected AS our_fee, l.ordinal > 1 OR p.kind IS NOT NULL AS is_repeated, w.kind IS NOT NULL AS is_written_off
  FROM rec_line AS l
  LEFT JOIN engine_channel_attempt AS a
    ON l.kind = 'CHARGE' AND a.channel_code = %(channel_code)s AND a.channel_trade_no = l.match_key
   AND a.status = 'SUCCEEDED'
  LEFT JOIN engine_late_money AS m
    ON l.kind = 'CHARGE' AND m.channel_code = %(channel_code)s AND m.channel_trade_no = l.match_key
  LEFT JOIN engine_refund AS r
    ON l.kind = 'REFUND' AND r.channel_code = %(channel_code)s AND r.refund_no = l.match_key
  LEFT JOIN engine_chargeback AS b
    ON l.kind = 'CHARGEBACK' AND b.channel_code = %(channel_code)s AND b.channel_trade_no = l.match_key
  LEFT JOIN rec_repeated AS p ON p.kind = l.kind AND p.match_key = l.match_key
  LEFT JOIN rec_written_off AS w ON w.kind = l.kind AND w.match_key = l.match_key
 CROSS JOIN LATERAL (SELECT COALESCE(m.late_money_no, a.attempt_no, r.refund_no, b.chargeback_no) AS object_no,
                            CASE WHEN r.refund_no IS NULL THEN 'SUCCEEDED' ELSE r.status END AS our_status,
                            COALESCE(m.amount, a.amount, r.external_amount, b.booked_amount, b.amount) AS our_amount,
                            COALESCE(m.currency, a.currency, r.currency, b.currency) AS our_currency,
                            COALESCE(m.merchant_no, r.merchant_no, b.merchant_no) AS merchant_no) AS o
 CROSS JOIN LATERAL (SELECT CASE l.kind WHEN 'CHARGE' THEN 1 ELSE -1 END AS sign) AS s
  LEFT JOIN rec_decided AS x ON x.kind = l.kind AND x.match_key = l.match_key AND x.currency = l.currency
  LEFT JOIN rec_decided AS y ON y.kind = l.kind AND y.match_key = l.match_key AND y.currency = o.our_currency
 CROSS JOIN LATERAL (SELECT CASE WHEN l.kind = 'CHARGE' AND %(cost_ppm)s::bigint IS NOT NULL
                                 THEN (l.amount * %(cost_ppm)s::bigint + 500000) / 1000000 END AS expected) AS f
 CROSS JOIN LATERAL (SELECT w.kind IS NULL AND o.object_no IS NOT NULL
                            AND o.our_status IN ('SUCCEEDED', 'SUCCESS') AS counts) AS c
 WHERE (l.ordinal = 1 AND p.kind IS NULL
        AND CASE WHEN c.counts AND o.our_currency <> l.currency THEN s.sign * o.our_amount + COALESCE(y.amount, 0) = 0
                 ELSE s.sign * l.amount
                      = COALESCE(x.amount, 0) + CASE WHEN c.counts THEN s.sign * o.our_amount ELSE 0 END END
        AND (NOT c.counts OR COALESCE(f.expected, l.fee) = l.fee)) IS NOT TRUE
"""

DIFFERENCES: Final = """
CREATE TEMP TABLE rec_difference AS
WITH known AS (
    SELECT l.*, q.attempt_no AS named_no, q.status AS named_status,
           q.status = 'SUCCEEDED' AND l.amount <= q.amount AND l.currency = q.currency
           AND NOT EXISTS (SELECT 1 FROM engine_late_money AS m
                            WHERE m.channel_code = q.channel_code AND m.channel_trade_no = q.channel_trade_no
                              AND m.status <> 'HONOURED') AS can_be_pulled_back,
           COALESCE(l.merchant_no, (SELECT p.merchant_no FROM engine_channel_attempt AS a
                                      JOIN engine_payment_order AS p ON p.payment_no = a.payment_no
                                     WHERE a.attempt_no = COALESCE(q.attempt_no, l.object_no))) AS merchant,
           l.our_amount + l.sign * l.decided AS expected,
           l.object_no IS NOT NULL AND NOT l.is_written_off AS is_ours
      FROM rec_odd AS l
      LEFT JOIN engine_channel_attempt AS q
        ON (l.object_no IS NULL OR l.is_written_off) AND l.kind <> 'REFUND' AND q.attempt_no = l.request_no
       AND q.channel_code = %(channel_code)s
), judged AS (
    SELECT k.*,
           CASE WHEN k.is_repeated THEN 'DUPLICATE'
                WHEN k.kind = 'CHARGE' AND NOT k.is_ours
                THEN CASE WHEN k.named_status <> 'SUCCEEDED' THEN 'STATUS_MISMATCH' ELSE 'CHANNEL_ONLY' END
                WHEN NOT k.is_ours THEN 'CHANNEL_ONLY'
                WHEN k.our_status NOT IN ('SUCCEEDED', 'SUCCESS') THEN 'STATUS_MISMATCH'
                WHEN k.our_currency <> k.currency THEN 'CURRENCY_MISMATCH'
                WHEN k.amount > k.expected THEN 'AMOUNT_OVER'
                WHEN k.amount < k.expected THEN 'AMOUNT_UNDER' END AS difference_kind
      FROM known AS k
)
SELECT j.difference_kind AS kind, j.kind AS line_kind, j.match_key, j.ordinal, j.line_no, j.channel_trade_no,
       COALESCE(CASE WHEN j.is_ours THEN j.object_no END, j.named_no) AS object_no, j.merchant AS merchant_no,
       COALESCE(CASE WHEN j.is_ours THEN j.our_status END, j.named_status) AS our_status,
       CASE WHEN j.is_ours AND j.difference_kind IN ('AMOUNT_OVER', 'AMOUNT_UNDER') THEN j.expected
            WHEN j.is_ours THEN j.our_amount END AS our_amount,
       CASE WHEN j.is_ours THEN j.our_currency END AS our_currency, j.our_fee,
       j.amount AS channel_amount, j.currency AS channel_currency, j.fee AS channel_fee,
       CASE WHEN j.difference_kind = 'DUPLICATE' THEN 0
            WHEN j.difference_kind = 'CURRENCY_MISMATCH' THEN -j.sign * j.our_amount - j.decided_in_ours
            WHEN j.difference_kind IN ('AMOUNT_OVER', 'AMOUNT_UNDER') THEN j.sign * (j.amount - j.expected)
            ELSE j.sign * j.amount - j.decided END AS difference,
       CASE WHEN j.difference_kind = 'CURRENCY_MISMATCH' THEN j.our_currency ELSE j.currency END AS currency,
       CASE WHEN j.difference_kind = 'DUPLICATE' THEN false
            WHEN j.difference_kind = 'STATUS_MISMATCH' AND j.kind = 'CHARGE'
            THEN NOT %(is_verified)s AND j.named_status IN ('FAILED', 'CLOSED')
            WHEN j.difference_kind = 'STATUS_MISMATCH' THEN j.our_status = 'FAILED'
            WHEN j.difference_kind = 'CHANNEL_ONLY' AND j.named_no IS NOT NULL AND NOT j.is_written_off
            THEN NOT (%(is_verified)s AND (j.kind = 'CHARGE' OR j.can_be_pulled_back))
            ELSE true END AS is_posted, %(statement_date)s::date AS statement_date, j.decided
  FROM judged AS j
 WHERE j.difference_kind IS NOT NULL
UNION ALL
SELECT 'FEE_MISMATCH', j.kind, j.match_key, j.ordinal, j.line_no, j.channel_trade_no, j.object_no, j.merchant,
       j.our_status, j.our_amount, j.our_currency, j.our_fee, j.amount, j.currency, j.fee, 0, j.currency, false,
       %(statement_date)s::date, j.decided
  FROM judged AS j
 WHERE j.is_ours AND NOT j.is_repeated AND j.our_fee <> j.fee
"""

ANALYZE: Final = "ANALYZE {table}"

SAME_AS: Final = """
    d.channel_code = %(channel_code)s AND d.statement_date = n.statement_date AND d.kind = n.kind
    AND d.line_kind = n.line_kind AND d.match_key = n.match_key AND d.ordinal = n.ordinal
    AND (d.our_amount, d.our_currency, d.channel_amount, d.channel_currency, d.difference)
        IS NOT DISTINCT FROM (n.our_amount, n.our_currency, n.channel_amount, n.channel_currency, n.difference)
    AND (n.kind <> 'FEE_MISMATCH' OR (d.our_fee, d.channel_fee) IS NOT DISTINCT FROM (n.our_fee, n.channel_fee))"""

GONE: Final = f"""
SELECT d.discrepancy_no,
       CASE WHEN d.kind = 'PLATFORM_ONLY' THEN 'FOUND_LATER'
            WHEN d.statement_no = %(statement_no)s THEN 'BOOKED_SINCE' ELSE 'FILE_CORRECTED' END
  FROM engine_discrepancy AS d
 WHERE d.channel_code = %(channel_code)s AND d.resolved_at IS NULL
   AND CASE WHEN d.kind = 'PLATFORM_ONLY'
            THEN EXISTS (SELECT 1 FROM engine_cutoff_entry AS e
                          WHERE e.object_no = d.object_no AND e.found_at IS NOT NULL)
            ELSE d.statement_date = %(statement_date)s
                 AND NOT EXISTS (SELECT 1 FROM rec_difference AS n WHERE {SAME_AS}) END
 ORDER BY d.discrepancy_no FOR NO KEY UPDATE OF d
"""  # noqa: S608 - texts of ours

WRITTEN_OFF_SINCE: Final = f"""
SELECT EXISTS (
    SELECT 1 FROM engine_discrepancy AS d
      JOIN rec_line AS l ON l.kind = d.line_kind AND l.match_key = d.match_key
     WHERE d.channel_code = %(channel_code)s AND d.kind = 'PLATFORM_ONLY' AND d.resolution IN {BOOKED_STATES}
       AND NOT EXISTS (SELECT 1 FROM rec_written_off AS w WHERE w.kind = l.kind AND w.match_key = l.match_key))
    OR EXISTS (
    SELECT 1 FROM ({_DECIDED_SUMS}) AS n
      JOIN (SELECT kind, match_key FROM rec_line
            UNION SELECT line_kind, match_key FROM rec_difference WHERE kind = 'PLATFORM_ONLY') AS l
        ON l.kind = n.kind AND l.match_key = n.match_key
      LEFT JOIN rec_decided AS x ON x.kind = n.kind AND x.match_key = n.match_key AND x.currency = n.currency
     WHERE x.amount IS DISTINCT FROM n.amount)
"""  # noqa: S608 - texts of ours
"""Whether people have decided, after the reading, about what the file has, or lacks. Asked behind GONE."""

FRESH: Final = f"""
CREATE TEMP TABLE rec_fresh ON COMMIT DROP AS
SELECT n.*, row_number() OVER (ORDER BY n.statement_date, n.line_no, n.kind, n.match_key) AS position
  FROM rec_difference AS n
 WHERE NOT EXISTS (SELECT 1 FROM engine_discrepancy AS d
                    WHERE {SAME_AS}
                      AND (d.resolved_at IS NULL OR d.resolution = ANY (%(not_counted)s)
                           OR d.kind = 'PLATFORM_ONLY' AND d.line_kind = 'CHARGE'
                              AND d.resolution = ANY (%(by_people)s)))
"""  # noqa: S608 - texts of ours
"""What nobody has written down yet, or what came back after it had gone by itself.

What people have booked for good is counted in ours (``rec_decided``): what is found all the same is beyond it.
"""

WRITE: Final = """
INSERT INTO engine_discrepancy
       (discrepancy_no, channel_code, statement_date, statement_no, line_no, kind, line_kind, match_key, ordinal,
        channel_trade_no, object_no, merchant_no, our_status, our_amount, our_currency, our_fee, channel_amount,
        channel_currency, channel_fee, difference, currency, status)
SELECT u.number, %(channel_code)s, n.statement_date, %(statement_no)s, n.line_no, n.kind, n.line_kind, n.match_key,
       n.ordinal, n.channel_trade_no, n.object_no, n.merchant_no, n.our_status, n.our_amount, n.our_currency, n.our_fee,
       n.channel_amount, n.channel_currency, n.channel_fee, n.difference, n.currency, 'OPEN'
  FROM rec_fresh AS n
  JOIN unnest(%(numbers)s::text[]) WITH ORDINALITY AS u (number, position) ON u.position = n.position
"""

TO_POST: Final = f"""
SELECT d.discrepancy_no, d.currency, d.difference
  FROM engine_discrepancy AS d
  JOIN rec_difference AS n ON {SAME_AS}
 WHERE d.resolved_at IS NULL AND d.posted_at IS NULL AND n.is_posted AND d.difference <> 0
 ORDER BY d.discrepancy_no
"""  # noqa: S608 - texts of ours

BOOKED: Final = """
SELECT d.discrepancy_no
  FROM engine_discrepancy AS d
 WHERE d.channel_code = %(channel_code)s AND d.resolved_at IS NULL
   AND d.kind IN ('CHANNEL_ONLY', 'STATUS_MISMATCH')
   AND CASE d.line_kind
       WHEN 'CHARGE' THEN
            NOT EXISTS (SELECT 1 FROM engine_discrepancy AS w
                         WHERE w.channel_code = d.channel_code AND w.kind = 'PLATFORM_ONLY'
                           AND w.match_key = d.match_key AND w.resolution IN ('WRITTEN_OFF', 'CHARGED'))
            AND (EXISTS (SELECT 1 FROM engine_channel_attempt AS a
                          WHERE a.channel_code = d.channel_code AND a.channel_trade_no = d.match_key
                            AND a.status = 'SUCCEEDED' AND a.amount = d.channel_amount
                            AND a.currency = d.channel_currency)
                 OR EXISTS (SELECT 1 FROM engine_late_money AS m
                             WHERE m.channel_code = d.channel_code AND m.channel_trade_no = d.match_key
                               AND m.amount = d.channel_amount AND m.currency = d.channel_currency))
       WHEN 'REFUND' THEN
            EXISTS (SELECT 1 FROM engine_refund AS r
                     WHERE r.channel_code = d.channel_code AND r.refund_no = d.match_key AND r.status = 'SUCCESS'
                       AND r.external_amount = d.channel_amount AND r.currency = d.channel_currency)
       ELSE EXISTS (SELECT 1 FROM engine_chargeback AS b
                     WHERE b.channel_code = d.channel_code AND b.channel_trade_no = d.match_key
                       AND b.amount = d.channel_amount AND b.currency = d.channel_currency) END
 ORDER BY d.discrepancy_no FOR NO KEY UPDATE OF d
"""
"""Differences that our books have caught up with, whichever way the news came."""

END: Final = """
UPDATE engine_discrepancy AS d
   SET status = 'RESOLVED', resolution = u.resolution, resolved_by = 'reconciliation', resolved_at = platform_now()
  FROM unnest(%(numbers)s::text[], %(resolutions)s::text[]) AS u (number, resolution)
 WHERE d.discrepancy_no = u.number AND d.status IN ('OPEN', 'PROPOSED')
"""

END_EVENTS: Final = """
INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
SELECT 'discrepancy', d.discrepancy_no, d.status, 'RESOLVED', 'statement', %(actor)s, %(request_id)s
  FROM engine_discrepancy AS d
 WHERE d.discrepancy_no = ANY (%(numbers)s)
"""

TO_UNPOST: Final = """
SELECT d.discrepancy_no, d.currency, d.difference
  FROM engine_discrepancy AS d
 WHERE d.discrepancy_no = ANY (%(numbers)s) AND d.posted_at IS NOT NULL
 ORDER BY d.discrepancy_no
"""

MARK_POSTED: Final = """
UPDATE engine_discrepancy AS d SET posted_at = platform_now() WHERE d.discrepancy_no = ANY (%(numbers)s)
"""

COUNTS: Final = """
SELECT n.kind, n.currency, count(*), COALESCE(sum(n.difference), 0)::bigint
  FROM rec_difference AS n GROUP BY n.kind, n.currency ORDER BY n.kind, n.currency
"""

TOTALS: Final = """
SELECT t.currency, sum(t.file)::bigint, sum(t.agreed)::bigint, sum(t.differing)::bigint
  FROM (SELECT l.currency, s.sign * l.amount AS file,
               CASE WHEN o.line_no IS NULL THEN s.sign * l.amount ELSE 0 END AS agreed, 0 AS differing
          FROM rec_line AS l
          LEFT JOIN rec_odd AS o ON o.line_no = l.line_no
         CROSS JOIN LATERAL (SELECT CASE l.kind WHEN 'CHARGE' THEN 1 ELSE -1 END AS sign) AS s
        UNION ALL
        SELECT n.channel_currency, 0, 0,
               CASE WHEN n.kind IN ('AMOUNT_OVER', 'AMOUNT_UNDER') THEN s.sign * n.our_amount + n.difference
                    WHEN n.kind = 'FEE_MISMATCH' THEN s.sign * n.our_amount + n.decided
                    WHEN n.kind IN ('DUPLICATE', 'CURRENCY_MISMATCH') THEN s.sign * n.channel_amount
                    ELSE n.difference + n.decided END
          FROM rec_difference AS n
         CROSS JOIN LATERAL (SELECT CASE n.line_kind WHEN 'CHARGE' THEN 1 ELSE -1 END AS sign) AS s
         WHERE n.line_no IS NOT NULL
           AND (n.kind <> 'FEE_MISMATCH'
                OR NOT EXISTS (SELECT 1 FROM rec_difference AS m
                                WHERE m.line_no = n.line_no AND m.kind <> 'FEE_MISMATCH'))) AS t
 GROUP BY t.currency ORDER BY t.currency
"""
"""The file's own sum, and the same out of what agrees and of ours with the differences: no line may be lost."""

LINES_IN_DOUBT: Final = "SELECT count(DISTINCT line_no) FROM rec_odd"
