"""What the engine promises about its own tables, as queries that return the rows which break it. Pure: texts only."""

from __future__ import annotations

from typing import Final

from engine.states import MACHINES
from paymentplatform.kernel.invariants import Invariant, build_history_query

_ONE_LIVE: Final = """
SELECT p.order_no AS subject, 'has ' || count(*) || ' live payments' AS problem
  FROM engine_payment_order AS p
 WHERE p.status IN ('INIT', 'PAYING')
 GROUP BY p.order_no HAVING count(*) > 1
UNION ALL
SELECT a.detail_id, 'has ' || count(*) || ' live attempts'
  FROM engine_channel_attempt AS a
 WHERE a.status IN ('CREATED', 'SENT', 'PENDING', 'UNKNOWN')
 GROUP BY a.detail_id HAVING count(*) > 1
UNION ALL
SELECT a.attempt_no, 'is ' || a.status || ' although its payment is ' || p.status
  FROM engine_channel_attempt AS a
  JOIN engine_payment_order AS p ON p.payment_no = a.payment_no
 WHERE a.status IN ('CREATED', 'SENT', 'PENDING', 'UNKNOWN') AND p.status IN ('PAID', 'FAILED')
"""

_PAID_IS_DONE: Final = """
SELECT p.payment_no AS subject,
       'is ' || p.status || ' with ' || p.amount || ' ' || p.currency || ', DONE details add up to '
       || COALESCE(sum(d.amount) FILTER (WHERE d.status = 'DONE'), 0) AS problem
  FROM engine_payment_order AS p
  LEFT JOIN engine_payment_detail AS d ON d.payment_id = p.payment_no AND d.currency = p.currency
 GROUP BY p.payment_no
HAVING COALESCE(sum(d.amount) FILTER (WHERE d.status = 'DONE'), 0)
       <> CASE p.status WHEN 'PAID' THEN p.amount ELSE 0 END
"""

_SUCCESS_HAS_ONE_USE: Final = """
SELECT a.attempt_no AS subject,
       'succeeded: its detail is ' || d.status || ', late money '
       || CASE WHEN l.late_money_no IS NULL THEN 'none' ELSE l.late_money_no END AS problem,
       COALESCE(m.at, a.created_at) AS since
  FROM engine_channel_attempt AS a
  JOIN engine_payment_detail AS d ON d.detail_no = a.detail_id
  LEFT JOIN engine_late_money AS l
    ON l.channel_code = a.channel_code AND l.channel_trade_no = a.channel_trade_no
  LEFT JOIN LATERAL (SELECT max(t.at) AS at FROM engine_transition AS t
                      WHERE t.object_no = a.attempt_no) AS m ON true
 WHERE a.status = 'SUCCEEDED' AND (d.status = 'DONE') = (l.late_money_no IS NOT NULL)
UNION ALL
SELECT d.detail_no, 'is DONE with ' || d.amount || ', successes of ' || COALESCE(d.channel_code, '–') || ' add up to '
       || COALESCE(sum(a.amount), 0),
       COALESCE(max(m.at), d.created_at)
  FROM engine_payment_detail AS d
  LEFT JOIN engine_channel_attempt AS a
    ON a.detail_id = d.detail_no AND a.status = 'SUCCEEDED' AND a.channel_code = d.channel_code
   AND a.currency = d.currency
  LEFT JOIN LATERAL (SELECT max(t.at) AS at FROM engine_transition AS t
                      WHERE t.object_no = d.detail_no) AS m ON true
 WHERE d.status = 'DONE' AND d.channel_code IS NOT NULL
 GROUP BY d.detail_no
HAVING COALESCE(sum(a.amount), 0) <> d.amount
UNION ALL
SELECT l.late_money_no, 'came for attempt ' || l.attempt_no || ' of ' || l.payment_no || ', which does not exist',
       l.created_at
  FROM engine_late_money AS l
 WHERE NOT EXISTS (SELECT 1 FROM engine_channel_attempt AS a
                    WHERE a.attempt_no = l.attempt_no AND a.channel_code = l.channel_code
                      AND a.payment_no = l.payment_no AND a.order_no = l.order_no)
"""

_STATEMENTS_AGREE: Final = """
SELECT l.statement_no || '/' || l.line_no AS subject,
       'says ' || l.kind || ' ' || l.match_key || ' over ' || l.amount || ' ' || l.currency
       || ', which is neither booked so nor a difference' AS problem,
       s.reconciled_at AS since
  FROM engine_statement AS s
  JOIN engine_statement_line AS l ON l.statement_no = s.statement_no
  LEFT JOIN engine_channel_attempt AS a
    ON l.kind = 'CHARGE' AND a.channel_code = s.channel_code AND a.channel_trade_no = l.match_key
   AND a.status = 'SUCCEEDED'
  LEFT JOIN engine_late_money AS m
    ON l.kind = 'CHARGE' AND m.channel_code = s.channel_code AND m.channel_trade_no = l.match_key
  LEFT JOIN engine_refund AS r
    ON l.kind = 'REFUND' AND r.channel_code = s.channel_code AND r.refund_no = l.match_key AND r.status = 'SUCCESS'
  LEFT JOIN engine_chargeback AS b
    ON l.kind = 'CHARGEBACK' AND b.channel_code = s.channel_code AND b.channel_trade_no = l.match_key
 WHERE s.superseded_at IS NULL AND s.reconciled_at IS NOT NULL
   AND (l.amount = COALESCE(m.amount, a.amount, r.external_amount, b.booked_amount, b.amount)
        AND l.currency = COALESCE(m.currency, a.currency, r.currency, b.currency)) IS NOT TRUE
   AND NOT EXISTS (SELECT 1 FROM engine_discrepancy AS d
                    WHERE d.match_key = l.match_key AND d.line_kind = l.kind AND d.channel_code = s.channel_code)
UNION ALL
SELECT o.object_no, 'succeeded on a day whose statement is reconciled, and is in no file and in no pool',
       o.reconciled_at
  FROM (SELECT a.attempt_no AS object_no, 'CHARGE' AS kind, a.channel_trade_no AS match_key, a.channel_code,
               s.reconciled_at
          FROM engine_statement AS s
          JOIN engine_channel_attempt AS a
            ON a.channel_code = s.channel_code AND a.status = 'SUCCEEDED'
           AND a.last_outcome_at >= s.covers_from AND a.last_outcome_at < s.covers_to
         WHERE s.superseded_at IS NULL AND s.reconciled_at > s.covers_to
        UNION ALL
        SELECT r.refund_no, 'REFUND', r.refund_no, r.channel_code, s.reconciled_at
          FROM engine_statement AS s
          JOIN engine_refund AS r
            ON r.channel_code = s.channel_code AND r.status = 'SUCCESS' AND r.external_amount > 0
           AND r.succeeded_at >= s.covers_from AND r.succeeded_at < s.covers_to
         WHERE s.superseded_at IS NULL AND s.reconciled_at > s.covers_to) AS o
 WHERE NOT EXISTS (SELECT 1 FROM engine_statement_line AS l
                     JOIN engine_statement AS s ON s.statement_no = l.statement_no
                    WHERE l.match_key = o.match_key AND l.kind = o.kind
                      AND s.channel_code = o.channel_code AND s.superseded_at IS NULL)
   AND NOT EXISTS (SELECT 1 FROM engine_cutoff_entry AS e
                    WHERE e.match_key = o.match_key AND e.kind = o.kind AND e.channel_code = o.channel_code)
UNION ALL
SELECT DISTINCT b.chargeback_no, 'was in the file of ' || s.statement_date || ', is in none that counts and in no '
       || 'pool: reconcile that day again', s.reconciled_at
  FROM engine_chargeback AS b
  JOIN engine_statement_line AS o ON o.match_key = b.channel_trade_no AND o.kind = 'CHARGEBACK'
  JOIN engine_statement AS v ON v.statement_no = o.statement_no AND v.channel_code = b.channel_code
  JOIN engine_statement AS s ON s.channel_code = v.channel_code AND s.account = v.account
       AND s.statement_date = v.statement_date AND s.superseded_at IS NULL
 WHERE v.superseded_at IS NOT NULL AND s.reconciled_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM engine_statement_line AS l
                     JOIN engine_statement AS c ON c.statement_no = l.statement_no
                    WHERE l.match_key = b.channel_trade_no AND l.kind = 'CHARGEBACK'
                      AND c.channel_code = b.channel_code AND c.superseded_at IS NULL)
   AND NOT EXISTS (SELECT 1 FROM engine_cutoff_entry AS e WHERE e.object_no = b.chargeback_no)
"""

_REFUNDS_ARE_COUNTED: Final = """
SELECT d.detail_no AS subject,
       'is ' || d.status || ' over ' || d.amount || ', refunded ' || d.refunded_amount || ', on the way '
       || d.refunding_amount || '; its refunds say ' || r.done || ', ' || r.moving AS problem
  FROM engine_payment_detail AS d
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum(p.amount) FILTER (WHERE r.status = 'SUCCESS'), 0) AS done,
              COALESCE(sum(p.amount) FILTER (WHERE r.status IN ('INIT', 'PROCESSING')), 0) AS moving
         FROM engine_refund AS r
        CROSS JOIN LATERAL (SELECT CASE WHEN d.channel_code IS NULL THEN r.balance_amount
                                        WHEN d.channel_code = r.channel_code THEN r.external_amount
                                        ELSE 0 END AS amount) AS p
        WHERE r.payment_no = d.payment_id AND r.purpose = 'ORDER' AND r.currency = d.currency) AS r
 WHERE (d.refunded_amount, d.refunding_amount) <> (r.done, r.moving)
    OR d.refunded_amount + d.refunding_amount > CASE d.status WHEN 'DONE' THEN d.amount ELSE 0 END
UNION ALL
SELECT p.payment_no, 'cost ' || p.fee_amount || ', of which its refunds returned ' || sum(r.returned_fee)
  FROM engine_payment_order AS p
  JOIN engine_refund AS r ON r.payment_no = p.payment_no AND r.status <> 'FAILED'
 GROUP BY p.payment_no HAVING sum(r.returned_fee) > p.fee_amount
UNION ALL
SELECT r.refund_no, 'gives back ' || COALESCE(r.channel_trade_no, '–') || ' of ' || COALESCE(r.attempt_no, '–')
       || ', which its payment has not been charged'
  FROM engine_refund AS r
 WHERE r.purpose = 'ORDER' AND r.external_amount > 0
   AND NOT EXISTS (SELECT 1 FROM engine_channel_attempt AS a
                    WHERE a.attempt_no = r.attempt_no AND a.payment_no = r.payment_no AND a.status = 'SUCCEEDED'
                      AND a.channel_code = r.channel_code AND a.channel_trade_no = r.channel_trade_no)
UNION ALL
SELECT d.discrepancy_no, 'is ' || d.resolution || ', and refunds are not limited by what was pulled back'
  FROM engine_discrepancy AS d
 WHERE d.line_kind = 'CHARGEBACK' AND d.kind = 'CHANNEL_ONLY' AND d.object_no IS NOT NULL
   AND d.resolution IN ('CHARGED', 'WRITTEN_OFF')
   AND NOT EXISTS (SELECT 1 FROM engine_chargeback AS b
                    WHERE b.channel_code = d.channel_code AND b.channel_trade_no = d.match_key)
UNION ALL
SELECT b.chargeback_no, 'is booked with ' || b.booked_amount || ' of ' || b.amount || ', and the rest is no difference'
  FROM engine_chargeback AS b
 WHERE b.booked_amount IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM engine_discrepancy AS d
                    WHERE d.channel_code = b.channel_code AND d.match_key = b.channel_trade_no
                      AND d.line_kind = 'CHARGEBACK' AND d.kind = 'AMOUNT_OVER')
"""

_LATE_MONEY_GOES_ONE_WAY: Final = """
SELECT l.late_money_no AS subject,
       'is ' || l.status || ' over ' || l.amount || ' ' || l.currency || ', its refunds that have not failed are '
       || COALESCE(string_agg(r.status || ' over ' || r.amount || ' ' || r.currency, ', '), 'none') AS problem
  FROM engine_late_money AS l
  LEFT JOIN engine_refund AS r ON r.late_money_no = l.late_money_no AND r.status <> 'FAILED'
 GROUP BY l.late_money_no
HAVING count(r.refund_no) <> CASE WHEN l.status IN ('REFUNDING', 'REFUNDED')
                                   AND NOT EXISTS (SELECT 1 FROM engine_transition AS t
                                                    WHERE t.object_no = l.late_money_no AND t.machine = 'late_money'
                                                      AND t.from_status = 'OPEN' AND t.to_status = 'REFUNDED')
                                  THEN 1 ELSE 0 END
    OR NOT COALESCE(bool_and(
           r.status = CASE l.status WHEN 'REFUNDED' THEN 'SUCCESS' ELSE 'PROCESSING' END
           AND (r.amount, r.external_amount, r.currency, r.channel_code, r.channel_trade_no, r.source)
             = (l.amount - l.pulled_back_amount, l.amount - l.pulled_back_amount, l.currency, l.channel_code,
                l.channel_trade_no, 'L90')), true)
UNION ALL
SELECT l.late_money_no, 'is REFUNDED without a refund, and only ' || l.pulled_back_amount || ' of it were pulled back'
  FROM engine_transition AS t
  JOIN engine_late_money AS l ON l.late_money_no = t.object_no
 WHERE t.machine = 'late_money' AND t.from_status = 'OPEN' AND t.to_status = 'REFUNDED'
   AND l.pulled_back_amount <> l.amount
UNION ALL
SELECT l.late_money_no, 'is pulled back with ' || l.pulled_back_amount || ', and no chargeback of its charge is known'
  FROM engine_late_money AS l
 WHERE l.pulled_back_amount > 0
   AND NOT EXISTS (SELECT 1 FROM engine_chargeback AS b
                    WHERE b.order_no = l.order_no AND b.attempt_no = l.attempt_no AND b.discrepancy_no IS NOT NULL)
UNION ALL
SELECT r.refund_no, 'returns ' || r.late_money_no || ', which does not exist'
  FROM engine_refund AS r
 WHERE r.late_money_no IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM engine_late_money AS l WHERE l.late_money_no = r.late_money_no)
"""

_NO_DUPLICATES: Final = """
SELECT p.payment_no AS subject, 'exists ' || count(*) || ' times' AS problem
  FROM engine_payment_order AS p GROUP BY p.payment_no HAVING count(*) > 1
UNION ALL
SELECT a.attempt_no, 'exists ' || count(*) || ' times'
  FROM engine_channel_attempt AS a GROUP BY a.attempt_no HAVING count(*) > 1
UNION ALL
SELECT a.channel_code || ' ' || a.channel_trade_no, 'is the success of ' || count(*) || ' attempts'
  FROM engine_channel_attempt AS a
 WHERE a.status = 'SUCCEEDED'
 GROUP BY a.channel_code, a.channel_trade_no HAVING count(*) > 1
UNION ALL
SELECT l.channel_code || ' ' || l.channel_trade_no, 'is late money ' || count(*) || ' times'
  FROM engine_late_money AS l GROUP BY l.channel_code, l.channel_trade_no HAVING count(*) > 1
UNION ALL
SELECT r.merchant_no || ' ' || r.merchant_refund_no, 'is the number of ' || count(*) || ' refunds'
  FROM engine_refund AS r
 WHERE r.merchant_refund_no IS NOT NULL
 GROUP BY r.merchant_no, r.merchant_refund_no HAVING count(*) > 1
UNION ALL
SELECT c.object_no, 'has ' || count(*) || ' unresolved cases ' || c.kind
  FROM engine_case AS c WHERE c.resolved_at IS NULL GROUP BY c.object_no, c.kind HAVING count(*) > 1
UNION ALL
SELECT d.channel_code || ' ' || d.match_key, 'is unresolved as ' || d.kind || ' ' || count(*) || ' times'
  FROM engine_discrepancy AS d WHERE d.resolved_at IS NULL
 GROUP BY d.channel_code, d.statement_date, d.kind, d.line_kind, d.match_key, d.ordinal HAVING count(*) > 1
UNION ALL
SELECT s.channel_code || ' ' || s.statement_date, 'has ' || count(*) || ' statements that count'
  FROM engine_statement AS s WHERE s.superseded_at IS NULL
 GROUP BY s.channel_code, s.account, s.statement_date HAVING count(*) > 1
UNION ALL
SELECT b.channel_code || ' ' || b.channel_trade_no, 'is a chargeback ' || count(*) || ' times'
  FROM engine_chargeback AS b GROUP BY b.channel_code, b.channel_trade_no HAVING count(*) > 1
UNION ALL
SELECT c.channel_code || ' ' || c.reference, 'is a settlement ' || count(*) || ' times'
  FROM engine_channel_settlement AS c GROUP BY c.channel_code, c.reference HAVING count(*) > 1
"""

_NOTHING_STUCK: Final = """
SELECT s.object_no AS subject, s.problem, s.since AS since
  FROM (
    SELECT p.payment_no AS object_no, p.payment_no, 'is ' || p.status || ', and no attempt is due' AS problem,
           p.created_at AS since
      FROM engine_payment_order AS p
     WHERE p.status IN ('INIT', 'PAYING')
       AND NOT EXISTS (SELECT 1 FROM engine_channel_attempt AS a
                        WHERE a.payment_no = p.payment_no AND a.next_query_at IS NOT NULL)
    UNION ALL
    SELECT d.detail_no, d.payment_id, 'is ' || d.status || ' although its payment is ' || p.status, d.created_at
      FROM engine_payment_detail AS d
      JOIN engine_payment_order AS p ON p.payment_no = d.payment_id
     WHERE d.status IN ('INIT', 'HELD') AND p.status IN ('PAID', 'FAILED')
    UNION ALL
    SELECT a.attempt_no, a.payment_no, 'is ' || a.status || ', and nobody will ask about it', a.created_at
      FROM engine_channel_attempt AS a
     WHERE a.status IN ('CREATED', 'SENT', 'PENDING', 'UNKNOWN') AND a.next_query_at IS NULL
    UNION ALL
    SELECT r.refund_no, r.refund_no, 'is ' || r.status || ', and nobody will try again', r.created_at
      FROM engine_refund AS r
     WHERE r.status = 'INIT' OR (r.status = 'PROCESSING' AND r.next_try_at IS NULL)
    UNION ALL
    SELECT l.late_money_no, l.late_money_no, 'is OPEN, and nothing is due', l.created_at
      FROM engine_late_money AS l
     WHERE l.status = 'OPEN' AND l.due_at IS NULL
    UNION ALL
    SELECT l.late_money_no, l.late_money_no, 'is REFUNDING, and nobody will ask about its refund', l.created_at
      FROM engine_late_money AS l
     WHERE l.status = 'REFUNDING'
       AND NOT EXISTS (SELECT 1 FROM engine_refund AS r
                        WHERE r.late_money_no = l.late_money_no AND r.next_try_at IS NOT NULL)
  ) AS s
 WHERE NOT EXISTS (
    SELECT 1 FROM engine_case AS c
     WHERE c.status <> 'RESOLVED'
       AND (c.object_no IN (s.object_no, s.payment_no)
            OR c.object_no IN (SELECT a.attempt_no FROM engine_channel_attempt AS a
                                WHERE a.payment_no = s.payment_no)))
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(6, "At most one live payment per order, one live attempt per detail", _ONE_LIVE),
    Invariant(7, "A payment is PAID exactly when its DONE details are its amount", _PAID_IS_DONE),
    Invariant(
        8, "Refunds of a payment are counted, within what was paid and cost", _REFUNDS_ARE_COUNTED
    ),
    Invariant(
        10,
        "Payments: no event leaves a terminal state, the last one is the state",
        build_history_query(MACHINES, history="engine_transition"),
    ),
    Invariant(
        11,
        "Every success of a channel is one DONE detail or one late money, and agrees with its statement",
        f"{_SUCCESS_HAS_ONE_USE}UNION ALL{_STATEMENTS_AGREE}",
        always=False,
    ),
    Invariant(
        13,
        "Late money that goes back has one refund of its own, of all of it",
        _LATE_MONEY_GOES_ONE_WAY,
    ),
    Invariant(
        14,
        "Payments: no duplicate numbers, channel trade numbers, refund numbers, cases",
        _NO_DUPLICATES,
    ),
    Invariant(
        15, "Payments: nothing stuck without a due time or a case", _NOTHING_STUCK, always=False
    ),
)
"""The engine's part of the promised invariants, by their public numbers."""
