"""What holds BETWEEN the apps, as queries that return the rows which break it. Pure: texts only.

The top floor is the only place whose SQL may name the tables of several apps, and it only ever reads them: whether
order, payment, journal and channel agree is a question none of them can ask alone. What holds inside one app is in
``<app>/invariants.py``.
"""

from __future__ import annotations

from typing import Final

from paymentplatform.console.channel_invariants import (
    CHANNEL_OWES_SUCCESSES,
    DIFFERENCES_WAIT_FOR_SOMEBODY,
    SUSPENSE_IS_EXPLAINED,
)
from paymentplatform.console.states import MACHINES
from paymentplatform.kernel.invariants import Invariant, build_history_query

_SUCCESS_IS_PAID: Final = """
SELECT o.order_no AS subject,
       'is ' || o.status || ', and has ' || count(p.payment_no) || ' payments PAID over '
       || o.amount || ' ' || o.currency AS problem
  FROM acquiring_trade_order AS o
  LEFT JOIN engine_payment_order AS p
    ON p.order_no = o.order_no AND p.status = 'PAID' AND p.amount = o.amount AND p.currency = o.currency
   AND p.merchant_no = o.merchant_no AND p.payment_no = o.payment_no
 GROUP BY o.order_no
HAVING count(p.payment_no) <> CASE o.status WHEN 'SUCCESS' THEN 1 ELSE 0 END
UNION ALL
SELECT p.payment_no, 'is PAID over ' || p.amount || ' ' || p.currency || ' for ' || p.order_no || ', which is '
       || CASE WHEN o.order_no IS NULL THEN 'nowhere'
               ELSE o.status || ' over ' || o.amount || ' ' || o.currency END
  FROM engine_payment_order AS p
  LEFT JOIN acquiring_trade_order AS o ON o.order_no = p.order_no
 WHERE p.status = 'PAID'
   AND (o.status = 'SUCCESS' AND o.amount = p.amount AND o.currency = p.currency
        AND o.merchant_no = p.merchant_no AND o.payment_no = p.payment_no) IS NOT TRUE
"""

_PAID_IS_POSTED: Final = """
WITH owed AS (
    SELECT d.payment_id AS payment_no,
           COALESCE('A10:' || d.channel_code, 'L10:' || p.payer_no, 'nobody') || ':' || p.currency AS debit,
           'L20:' || p.merchant_no || ':' || p.currency AS credit,
           sum(d.amount) AS amount
      FROM engine_payment_order AS p
      JOIN engine_payment_detail AS d ON d.payment_id = p.payment_no AND d.status = 'DONE'
     WHERE p.status = 'PAID'
     GROUP BY 1, 2, 3
    UNION ALL
    SELECT p.payment_no, 'L20:' || p.merchant_no || ':' || p.currency, 'I10:platform:' || p.currency, p.fee_amount
      FROM engine_payment_order AS p
     WHERE p.status = 'PAID' AND p.fee_amount > 0
), posted AS (
    SELECT j.event_id AS payment_no, d.code AS debit, c.code AS credit, sum(l.amount) AS amount
      FROM ledger_journal AS j
      JOIN ledger_posting AS l ON l.journal_no = j.journal_no
      JOIN ledger_account AS d ON d.id = l.debit_account_id
      JOIN ledger_account AS c ON c.id = l.credit_account_id
     WHERE j.event_type = 'payment_paid'
     GROUP BY 1, 2, 3
)
SELECT payment_no AS subject,
       debit || ' to ' || credit || ': paid ' || COALESCE(o.amount, 0) || ', posted ' || COALESCE(l.amount, 0)
       AS problem
  FROM owed AS o FULL JOIN posted AS l USING (payment_no, debit, credit)
 WHERE o.amount IS DISTINCT FROM l.amount
UNION ALL
SELECT j.event_id, 'is posted by ' || j.journal_no || ', which ' || r.journal_no || ' has undone'
  FROM ledger_journal AS j
  JOIN ledger_journal AS r ON r.reverses = j.journal_no
 WHERE j.event_type = 'payment_paid'
"""

_REFUNDED_AGREES: Final = """
SELECT o.order_no AS subject,
       'says ' || o.refunded_amount || ' were refunded, ' || o.refunding_amount || ' on the way; its payment says '
       || d.done || ', ' || d.moving || '; its refunds say ' || r.done || ', ' || r.moving AS problem
  FROM acquiring_trade_order AS o
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum(d.refunded_amount), 0) AS done, COALESCE(sum(d.refunding_amount), 0) AS moving
         FROM engine_payment_order AS p
         JOIN engine_payment_detail AS d ON d.payment_id = p.payment_no
        WHERE p.payment_no = o.payment_no AND p.status = 'PAID') AS d
 CROSS JOIN LATERAL (
       SELECT COALESCE(sum(r.amount) FILTER (WHERE r.status = 'SUCCESS'), 0) AS done,
              COALESCE(sum(r.amount) FILTER (WHERE r.status IN ('INIT', 'PROCESSING')), 0) AS moving
         FROM engine_refund AS r
        WHERE r.order_no = o.order_no AND r.payment_no = o.payment_no AND r.purpose = 'ORDER'
          AND r.merchant_no = o.merchant_no AND r.currency = o.currency) AS r
 WHERE (o.refunded_amount, o.refunding_amount) <> (d.done, d.moving)
    OR (o.refunded_amount, o.refunding_amount) <> (r.done, r.moving)
UNION ALL
SELECT r.refund_no, 'is of order ' || r.order_no || ', which is '
       || CASE WHEN o.order_no IS NULL THEN 'nowhere' ELSE o.status || ' by ' || COALESCE(o.payment_no, '–') END
  FROM engine_refund AS r
  LEFT JOIN acquiring_trade_order AS o ON o.order_no = r.order_no
 WHERE r.purpose = 'ORDER'
   AND (o.status = 'SUCCESS' AND o.payment_no = r.payment_no AND o.merchant_no = r.merchant_no
        AND o.currency = r.currency) IS NOT TRUE
"""

_REFUND_IS_POSTED: Final = """
WITH part AS (
    SELECT r.*, p.amount AS part_amount,
           CASE r.purpose WHEN 'ORDER' THEN r.source || ':' || r.merchant_no ELSE 'L90:' || r.channel_code END
           || ':' || r.currency AS origin,
           'L30:' || p.transit || ':' || r.currency AS transit, p.asset || ':' || r.currency AS asset
      FROM engine_refund AS r
     CROSS JOIN LATERAL (VALUES (r.external_amount, r.channel_code, 'A10:' || r.channel_code),
                                (r.balance_amount, 'internal', 'L10:' || r.payer_no)) AS p (amount, transit, asset)
     WHERE p.amount > 0 AND r.status <> 'INIT'
), fee AS (
    SELECT r.*, r.source || ':' || r.merchant_no || ':' || r.currency AS origin,
           'I10:platform:' || r.currency AS income
      FROM engine_refund AS r WHERE r.returned_fee > 0 AND r.status <> 'INIT'
), owed AS (
    SELECT CASE purpose WHEN 'ORDER' THEN 'refund_accepted' ELSE 'late_money_refund_sent' END AS fact,
           refund_no, origin AS debit, transit AS credit, part_amount AS amount FROM part
    UNION ALL
    SELECT 'refund_accepted', refund_no, income, origin, returned_fee FROM fee
    UNION ALL
    SELECT 'refund_done', refund_no, transit, asset, part_amount FROM part WHERE status = 'SUCCESS'
    UNION ALL
    SELECT CASE purpose WHEN 'ORDER' THEN 'refund_failed' ELSE 'late_money_refund_failed' END,
           refund_no, transit, origin, part_amount FROM part WHERE status = 'FAILED'
    UNION ALL
    SELECT 'refund_failed', refund_no, origin, income, returned_fee FROM fee WHERE status = 'FAILED'
), posted AS (
    SELECT j.event_type AS fact, j.event_id AS refund_no, d.code AS debit, c.code AS credit, sum(l.amount) AS amount
      FROM ledger_journal AS j
      JOIN ledger_posting AS l ON l.journal_no = j.journal_no
      JOIN ledger_account AS d ON d.id = l.debit_account_id
      JOIN ledger_account AS c ON c.id = l.credit_account_id
     WHERE j.event_type IN ('refund_accepted', 'refund_done', 'refund_failed', 'late_money_refund_sent',
                            'late_money_refund_failed')
     GROUP BY 1, 2, 3, 4
)
SELECT refund_no AS subject,
       fact || ', ' || COALESCE(debit, 'nobody') || ' to ' || COALESCE(credit, 'nobody') || ': owed '
       || COALESCE(o.amount, 0) || ', posted ' || COALESCE(l.amount, 0) AS problem
  FROM owed AS o FULL JOIN posted AS l USING (fact, refund_no, debit, credit)
 WHERE o.amount IS DISTINCT FROM l.amount
"""

_REFUND_ENDS_ARE_TOLD: Final = """
SELECT r.refund_no AS subject,
       'is ' || r.status || ', and has ' || count(e.event_id) || ' such events' AS problem
  FROM engine_refund AS r
  LEFT JOIN acquiring_merchant_event AS e
    ON e.object_no = r.refund_no AND e.type = 'refund.' || lower(r.status)
 WHERE r.purpose = 'ORDER' AND r.status IN ('SUCCESS', 'FAILED')
 GROUP BY r.refund_no HAVING count(e.event_id) <> 1
UNION ALL
SELECT e.event_id, 'tells of ' || e.type || ' of ' || e.object_no || ', which does not show so'
  FROM acquiring_merchant_event AS e
  LEFT JOIN engine_refund AS r ON r.refund_no = e.object_no AND r.purpose = 'ORDER'
 CROSS JOIN LATERAL (SELECT CASE WHEN pg_input_is_valid(e.payload, 'jsonb') THEN e.payload::jsonb END AS body) AS b
 CROSS JOIN LATERAL (SELECT b.body -> 'data' AS data) AS d
 WHERE starts_with(e.type, 'refund.')
   AND (b.body ->> 'id' = e.event_id
        AND b.body ->> 'type' = e.type
        AND e.merchant_no = r.merchant_no
        AND d.data ->> 'refund_no' = r.refund_no
        AND d.data ->> 'merchant_refund_no' = r.merchant_refund_no
        AND d.data ->> 'order_no' = r.order_no
        AND 'refund.' || lower(d.data ->> 'status') = e.type
        AND d.data ->> 'status' = r.status
        AND d.data ->> 'amount' = r.amount::text
        AND d.data ->> 'currency' = r.currency
        AND (d.data ->> 'failure_code') IS NOT DISTINCT FROM r.failure_code
        AND (d.data ->> 'succeeded_at') IS NOT DISTINCT FROM platform_rfc3339(r.succeeded_at)) IS NOT TRUE
"""

_TRANSIT_IS_REFUNDS: Final = """
WITH moving AS (
    SELECT s.owner, s.currency, sum(s.amount) AS total
      FROM (SELECT COALESCE(r.channel_code, '–') AS owner, r.currency, r.external_amount AS amount
              FROM engine_refund AS r WHERE r.status = 'PROCESSING'
            UNION ALL
            SELECT 'internal', r.currency, r.balance_amount
              FROM engine_refund AS r WHERE r.status = 'PROCESSING') AS s
     WHERE s.amount > 0
     GROUP BY s.owner, s.currency
), booked AS (
    SELECT a.owner, a.currency, sum(m.amount) AS total
      FROM (SELECT p.credit_account_id AS account_id, p.amount FROM ledger_posting AS p
            UNION ALL
            SELECT p.debit_account_id, -p.amount FROM ledger_posting AS p) AS m
      JOIN ledger_account AS a ON a.id = m.account_id AND a.kind = 'L30'
     GROUP BY a.owner, a.currency
)
SELECT 'L30:' || owner || ':' || currency AS subject,
       'is ' || COALESCE(b.total, 0) || ', refunds on their way are ' || COALESCE(w.total, 0) AS problem,
       NULL::timestamptz AS since
  FROM moving AS w FULL JOIN booked AS b USING (owner, currency)
 WHERE COALESCE(w.total, 0) <> COALESCE(b.total, 0)
"""

_NOTHING_STUCK: Final = """
SELECT o.order_no AS subject,
       'is PAYING, and its payment ' || COALESCE(o.payment_no, '–') || ' is ' || COALESCE(p.status, 'nowhere')
       AS problem,
       o.created_at AS since
  FROM acquiring_trade_order AS o
  LEFT JOIN engine_payment_order AS p ON p.payment_no = o.payment_no AND p.order_no = o.order_no
 WHERE o.status = 'PAYING' AND (p.status IN ('INIT', 'PAYING')) IS NOT TRUE
UNION ALL
SELECT p.payment_no, 'is ' || p.status || ', and its order ' || p.order_no || ' is ' || COALESCE(o.status, 'nowhere'),
       p.created_at
  FROM engine_payment_order AS p
  LEFT JOIN acquiring_trade_order AS o ON o.order_no = p.order_no AND o.payment_no = p.payment_no
 WHERE p.status IN ('INIT', 'PAYING') AND (o.status = 'PAYING') IS NOT TRUE
UNION ALL
SELECT h.hold_no, 'is OPEN for ' || h.reference || ', which no live payment uses', h.created_at
  FROM ledger_hold AS h
 WHERE h.status = 'OPEN'
   AND NOT EXISTS (SELECT 1 FROM engine_payment_detail AS d
                     JOIN engine_payment_order AS p ON p.payment_no = d.payment_id
                    WHERE d.hold_no = h.hold_no AND p.status IN ('INIT', 'PAYING'))
"""

_APPROVED_IS_POSTED: Final = """
SELECT p.proposal_no AS subject,
       'is APPROVED, and its journal ' || (p.preview->'journal'->>'event_type') || ' '
       || (p.preview->'journal'->>'event_id') || ' is not posted as it was approved' AS problem
  FROM console_proposal AS p
 WHERE p.status = 'APPROVED' AND jsonb_typeof(p.preview->'journal') = 'object'
   AND (SELECT jsonb_agg(jsonb_build_object('debit', d.code, 'credit', c.code, 'amount', l.amount,
                                            'currency', l.currency) ORDER BY l.line_no)
          FROM ledger_journal AS j
          JOIN ledger_posting AS l ON l.journal_no = j.journal_no
          JOIN ledger_account AS d ON d.id = l.debit_account_id
          JOIN ledger_account AS c ON c.id = l.credit_account_id
         WHERE j.event_type = p.preview->'journal'->>'event_type'
           AND j.event_id = p.preview->'journal'->>'event_id')
       IS DISTINCT FROM p.preview->'journal'->'postings'
"""

_PROPOSALS_END: Final = """
SELECT p.proposal_no AS subject, 'is OPEN past its time' AS problem, p.expires_at AS since
  FROM console_proposal AS p
 WHERE p.status = 'OPEN' AND p.expires_at <= platform_now()
"""

_HOLDS_FOLLOW_DETAILS: Final = """
SELECT COALESCE(h.hold_no, d.hold_no) AS subject,
       'is ' || COALESCE(h.status || ' over ' || h.amount || ' of ' || a.code, 'nowhere')
       || ', the detail it is for is '
       || COALESCE(d.status || ' over ' || d.amount || ' of ' || d.payer_account, 'nowhere') AS problem
  FROM ledger_hold AS h
  JOIN ledger_account AS a ON a.id = h.account_id
  LEFT JOIN ledger_journal AS j ON j.journal_no = h.journal_no
  FULL JOIN (SELECT d.hold_no, d.status, d.amount, d.payment_id,
                    'L10:' || p.payer_no || ':' || d.currency AS payer_account
               FROM engine_payment_detail AS d
               JOIN engine_payment_order AS p ON p.payment_no = d.payment_id
              WHERE d.hold_no IS NOT NULL) AS d
    ON d.hold_no = h.hold_no
 WHERE (CASE WHEN d.status = 'FAILED' THEN h.hold_no IS NULL
             ELSE h.amount = d.amount AND h.reference = d.payment_id AND a.code = d.payer_account
                  AND h.status = CASE d.status WHEN 'HELD' THEN 'OPEN' WHEN 'DONE' THEN 'CAPTURED'
                                               WHEN 'RELEASED' THEN 'RELEASED' END
                  AND (h.status <> 'CAPTURED' OR j.event_type = 'payment_paid' AND j.event_id = d.payment_id)
        END) IS NOT TRUE
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(
        4,
        "Every hold is one detail's: open, captured by its payment or released as that detail is",
        _HOLDS_FOLLOW_DETAILS,
    ),
    Invariant(
        5, "An order is SUCCESS exactly when one payment of its amount is PAID", _SUCCESS_IS_PAID
    ),
    Invariant(
        7,
        "A payment is PAID, a proposal APPROVED exactly when its journal is posted as it should be",
        f"{_PAID_IS_POSTED}UNION ALL{_APPROVED_IS_POSTED}",
    ),
    Invariant(
        8,
        "Orders, payments, refunds and journals agree on what goes back",
        f"{_REFUNDED_AGREES}UNION ALL ({_REFUND_IS_POSTED})",
    ),
    Invariant(9, "Every end of a refund has one event that shows it", _REFUND_ENDS_ARE_TOLD),
    Invariant(
        10,
        "Proposals: no event leaves a terminal state, the last one is the state",
        build_history_query(MACHINES, history="console_transition"),
    ),
    Invariant(
        12,
        "What a channel owes us is what it took for us and has not given back",
        CHANNEL_OWES_SUCCESSES,
        always=False,
    ),
    Invariant(
        13,
        "Suspense is the open late money and long differences, short the short ones, transit the refunds on their way",
        f"{SUSPENSE_IS_EXPLAINED}UNION ALL ({_TRANSIT_IS_REFUNDS})",
        always=False,
    ),
    Invariant(
        15,
        "Orders, payments and holds wait only for each other, proposals only until they expire",
        f"{_NOTHING_STUCK}UNION ALL{_PROPOSALS_END}UNION ALL ({DIFFERENCES_WAIT_FOR_SOMEBODY})",
        always=False,
    ),
)
"""The console's part of the promised invariants, by their public numbers."""
