"""What acquiring promises about its own tables, as queries that return the rows which break it. Pure: texts only."""

from __future__ import annotations

from typing import Final

from acquiring.states import MACHINES
from paymentplatform.kernel.invariants import Invariant, build_history_query

_REFUND_COUNTERS: Final = """
SELECT o.order_no AS subject,
       'is ' || o.status || ' over ' || o.amount || ', refunded ' || o.refunded_amount || ', on the way '
       || o.refunding_amount AS problem
  FROM acquiring_trade_order AS o
 WHERE o.refunded_amount < 0 OR o.refunding_amount < 0
    OR o.refunded_amount + o.refunding_amount > CASE o.status WHEN 'SUCCESS' THEN o.amount ELSE 0 END
"""

_ENDS_ARE_TOLD: Final = """
SELECT t.object_no AS subject,
       'became ' || t.to_status || ', and has ' || count(e.event_id) || ' such events' AS problem
  FROM acquiring_transition AS t
  LEFT JOIN acquiring_merchant_event AS e
    ON e.object_no = t.object_no AND e.type = 'order.' || lower(t.to_status)
 WHERE t.machine = 'trade_order' AND t.to_status IN ('SUCCESS', 'FAILED', 'CLOSED')
 GROUP BY t.id HAVING count(e.event_id) <> 1
UNION ALL
SELECT e.event_id, 'tells of ' || e.type || ' of ' || e.object_no || ', which never happened'
  FROM acquiring_merchant_event AS e
 WHERE starts_with(e.type, 'order.')
   AND NOT EXISTS (SELECT 1 FROM acquiring_transition AS t
                    WHERE t.object_no = e.object_no AND t.machine = 'trade_order'
                      AND 'order.' || lower(t.to_status) = e.type)
UNION ALL
SELECT e.event_id, 'does not show ' || e.object_no || ' as it ended'
  FROM acquiring_merchant_event AS e
  JOIN acquiring_trade_order AS o ON o.order_no = e.object_no
 CROSS JOIN LATERAL (SELECT CASE WHEN pg_input_is_valid(e.payload, 'jsonb') THEN e.payload::jsonb END AS body) AS b
 CROSS JOIN LATERAL (SELECT b.body -> 'data' AS data) AS d
 WHERE starts_with(e.type, 'order.')
   AND (b.body ->> 'id' = e.event_id
        AND b.body ->> 'type' = e.type
        AND e.merchant_no = o.merchant_no
        AND d.data ->> 'order_no' = o.order_no
        AND d.data ->> 'merchant_order_no' = o.merchant_order_no
        AND 'order.' || lower(d.data ->> 'status') = e.type
        AND d.data ->> 'status' = o.status
        AND d.data ->> 'amount' = o.amount::text
        AND d.data ->> 'currency' = o.currency
        AND (d.data ->> 'paid_at') IS NOT DISTINCT FROM platform_rfc3339(o.paid_at)
        AND (d.data ->> 'closed_at') IS NOT DISTINCT FROM platform_rfc3339(o.closed_at)
        AND (d.data -> 'payment' ->> 'payment_no') IS NOT DISTINCT FROM o.payment_no) IS NOT TRUE
UNION ALL
SELECT e.event_id, 'has no delivery'
  FROM acquiring_merchant_event AS e
 WHERE NOT EXISTS (SELECT 1 FROM acquiring_delivery AS d WHERE d.event_id = e.event_id)
UNION ALL
SELECT e.event_id, 'was never to be sent to ' || w.endpoint_id || ', which wants ' || e.type
  FROM acquiring_merchant_event AS e
  JOIN acquiring_webhook_endpoint AS w
    ON w.merchant_no = e.merchant_no AND w.enabled AND (w.events = '[]'::jsonb OR w.events ? e.type)
   AND e.created_at > w.changed_at + interval '1 minute'  -- longer than any transaction that might not see it yet
 WHERE e.type <> 'webhook_endpoint.test'
   AND NOT EXISTS (SELECT 1 FROM acquiring_delivery AS d
                    WHERE d.event_id = e.event_id AND d.endpoint_id = w.endpoint_id)
UNION ALL
SELECT d.delivery_no, 'goes to ' || d.endpoint_id || ', which is no endpoint of ' || d.merchant_no
  FROM acquiring_delivery AS d
  LEFT JOIN acquiring_webhook_endpoint AS w ON w.endpoint_id = d.endpoint_id
 WHERE d.endpoint_id IS NOT NULL AND w.merchant_no IS DISTINCT FROM d.merchant_no
"""

_NO_DUPLICATES: Final = """
SELECT o.order_no AS subject, 'exists ' || count(*) || ' times' AS problem
  FROM acquiring_trade_order AS o GROUP BY o.order_no HAVING count(*) > 1
UNION ALL
SELECT o.merchant_no || ' ' || o.merchant_order_no, 'is the number of ' || count(*) || ' orders'
  FROM acquiring_trade_order AS o GROUP BY o.merchant_no, o.merchant_order_no HAVING count(*) > 1
UNION ALL
SELECT e.object_no, 'has ' || count(*) || ' events ' || e.type
  FROM acquiring_merchant_event AS e
 WHERE starts_with(e.type, 'order.') OR starts_with(e.type, 'refund.') GROUP BY e.object_no, e.type HAVING count(*) > 1
UNION ALL
SELECT t.delivery_id, 'has ' || count(*) || ' tries number ' || t.number
  FROM acquiring_delivery_try AS t GROUP BY t.delivery_id, t.number HAVING count(*) > 1
UNION ALL
SELECT min(c.key_id), 'shares its secret with ' || count(*) - 1 || ' other keys'
  FROM acquiring_credential AS c WHERE c.secret_hash IS NOT NULL GROUP BY c.secret_hash HAVING count(*) > 1
"""

_NOTHING_STUCK: Final = """
SELECT o.order_no AS subject, 'is ' || o.status || ', and nothing is due' AS problem,
       o.created_at AS since
  FROM acquiring_trade_order AS o
 WHERE o.status IN ('INIT', 'PAYING') AND o.due_at IS NULL
UNION ALL
SELECT d.delivery_no, 'is ' || d.status || ', and no try is due', d.created_at
  FROM acquiring_delivery AS d
 WHERE d.status = 'DUE' AND d.due_at IS NULL
"""

INVARIANTS: Final[tuple[Invariant, ...]] = (
    Invariant(8, "Refund counters stay within what was paid", _REFUND_COUNTERS),
    Invariant(9, "Every end of an order has one event that shows it, on its way", _ENDS_ARE_TOLD),
    Invariant(
        10,
        "Orders: no event leaves a terminal state, the last one is the state",
        build_history_query(MACHINES, history="acquiring_transition"),
    ),
    Invariant(14, "Orders: no duplicate numbers, events, tries, keys", _NO_DUPLICATES),
    Invariant(15, "Orders: nothing stuck without a due time", _NOTHING_STUCK, always=False),
)
"""Acquiring's part of the promised invariants, by their public numbers."""
