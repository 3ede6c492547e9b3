"""Orders beside their payments, journals and events, both ways. Pure: texts only; the top floor reads across apps.

Each query returns (order_no, subject, problem); order_no is null for rows that name no order.
"""

from __future__ import annotations

from typing import Final

_ORDER_TO_PAYMENT: Final = """
SELECT o.order_no AS order_no, COALESCE(o.payment_no, '–') AS subject,
       'order ' || o.status || ' over ' || o.amount || ' ' || o.currency || ', payment '
       || CASE WHEN p.payment_no IS NULL THEN 'missing'
               ELSE p.status || ' over ' || p.amount || ' ' || p.currency END
  FROM acquiring_trade_order AS o
  LEFT JOIN engine_payment_order AS p ON p.payment_no = o.payment_no AND p.order_no = o.order_no
 WHERE ((p.payment_no IS NOT NULL OR (o.payment_no IS NULL AND o.status NOT IN ('PAYING', 'SUCCESS', 'FAILED')))
        AND COALESCE(p.amount = o.amount AND p.currency = o.currency AND p.merchant_no = o.merchant_no, true)
        AND CASE o.status WHEN 'SUCCESS' THEN p.status = 'PAID'
                          WHEN 'PAYING' THEN p.status IN ('INIT', 'PAYING')
                          WHEN 'FAILED' THEN p.status = 'FAILED'
                          ELSE COALESCE(p.status, 'FAILED') = 'FAILED' END) IS NOT TRUE
"""

_PAYMENT_TO_ORDER: Final = """
SELECT p.order_no, p.payment_no,
       CASE WHEN o.order_no IS NULL THEN 'names order ' || p.order_no || ', which does not exist'
            ELSE p.status || ', and the order goes by ' || COALESCE(o.payment_no, 'none') END
  FROM engine_payment_order AS p
  LEFT JOIN acquiring_trade_order AS o ON o.order_no = p.order_no
 WHERE (o.order_no IS NULL OR (p.status <> 'FAILED' AND p.payment_no IS DISTINCT FROM o.payment_no))
"""

_PAYMENT_TO_JOURNAL: Final = """
SELECT p.order_no, p.payment_no,
       p.status || ' over ' || p.amount || ' ' || p.currency || ', fee ' || p.fee_amount || '; journal '
       || CASE WHEN j.journal_no IS NULL THEN 'missing'
               ELSE j.journal_no || ' gives ' || s.given || ', takes ' || s.taken END
  FROM engine_payment_order AS p
  LEFT JOIN ledger_journal AS j
    ON j.event_type = 'payment_paid' AND j.event_id = p.payment_no AND j.currency = p.currency
  LEFT JOIN LATERAL (
      SELECT COALESCE(sum(l.amount) FILTER (WHERE c.code = m.code), 0) AS given,
             COALESCE(sum(l.amount) FILTER (WHERE d.code = m.code), 0) AS taken
        FROM (SELECT 'L20:' || p.merchant_no || ':' || p.currency AS code) AS m
        JOIN ledger_posting AS l ON l.journal_no = j.journal_no
        JOIN ledger_account AS d ON d.id = l.debit_account_id
        JOIN ledger_account AS c ON c.id = l.credit_account_id) AS s ON true
 WHERE CASE p.status WHEN 'PAID' THEN j.journal_no IS NULL OR s.given <> p.amount OR s.taken <> p.fee_amount
                     ELSE j.journal_no IS NOT NULL END
"""

_JOURNAL_TO_PAYMENT: Final = """
SELECT NULL::text, j.journal_no, 'is posted for payment ' || j.event_id || ', which does not exist'
  FROM ledger_journal AS j
 WHERE j.event_type = 'payment_paid'
   AND NOT EXISTS (SELECT 1 FROM engine_payment_order AS p WHERE p.payment_no = j.event_id)
"""

_ORDER_TO_EVENT: Final = """
SELECT o.order_no, o.order_no, 'order ' || o.status || ' without event order.' || lower(o.status)
  FROM acquiring_trade_order AS o
 WHERE o.status IN ('SUCCESS', 'FAILED', 'CLOSED')
   AND NOT EXISTS (SELECT 1 FROM acquiring_merchant_event AS e
                    WHERE e.object_no = o.order_no AND e.type = 'order.' || lower(o.status))
"""

_EVENT_TO_ORDER: Final = """
SELECT e.object_no, e.event_id,
       e.type || ' of ' || e.object_no || ', which is ' || COALESCE(o.status, 'nowhere')
  FROM acquiring_merchant_event AS e
  LEFT JOIN acquiring_trade_order AS o ON o.order_no = e.object_no AND o.merchant_no = e.merchant_no
 WHERE starts_with(e.type, 'order.')
   AND e.type IS DISTINCT FROM 'order.' || lower(o.status)
UNION ALL
SELECT e.object_no, e.event_id, 'has no delivery'
  FROM acquiring_merchant_event AS e
 WHERE NOT EXISTS (SELECT 1 FROM acquiring_delivery AS d WHERE d.event_id = e.event_id)
"""

ORDER_CHECKS: Final[tuple[str, ...]] = (
    _ORDER_TO_PAYMENT,
    _PAYMENT_TO_ORDER,
    _PAYMENT_TO_JOURNAL,
    _JOURNAL_TO_PAYMENT,
    _ORDER_TO_EVENT,
    _EVENT_TO_ORDER,
)
"""In the order in which money goes: order, payment, journal, event."""
