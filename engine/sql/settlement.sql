-- What settlement must know of the money that payments brought a merchant.

-- The transaction id below which at most p_limit facts of a merchant's pending money wait from p_from on.
CREATE OR REPLACE FUNCTION engine_pending_bound(p_merchant_no text, p_currency text, p_from bigint, p_limit integer)
RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT ledger_credit_bound('L20:' || p_merchant_no || ':' || p_currency, p_from, p_limit)
$$;

-- Every fact that made money pending for a merchant, and the trade it belongs to. A refund is no such fact (the fee that
-- comes back with it belongs to the claim of its payment); one that failed is.
CREATE OR REPLACE FUNCTION engine_pending_facts(p_merchant_no text, p_currency text, p_from bigint, p_to bigint)
RETURNS TABLE (
    journal_no text, kind text, event_id text, order_no text, payment_no text, amount bigint, fee bigint,
    accounting_date date
)
LANGUAGE sql STABLE AS $$
    SELECT f.journal_no,
        CASE WHEN p.payment_no IS NOT NULL THEN 'PAYMENT' WHEN r.refund_no IS NOT NULL THEN 'REFUND_FAILED'
             WHEN l.late_money_no IS NOT NULL THEN 'LATE_MONEY' ELSE 'OTHER' END,
        f.event_id, COALESCE(p.order_no, r.order_no, l.order_no), COALESCE(p.payment_no, r.payment_no, l.payment_no),
        f.amount, f.fee, f.accounting_date
    FROM ledger_account_credits('L20:' || p_merchant_no || ':' || p_currency, p_from, p_to) AS f
    LEFT JOIN engine_payment_order AS p ON f.event_type = 'payment_paid' AND p.payment_no = f.event_id
    LEFT JOIN engine_refund AS r ON f.event_type = 'refund_failed' AND r.refund_no = f.event_id
    LEFT JOIN engine_late_money AS l ON f.event_type = 'late_money_honoured' AND l.late_money_no = f.event_id
    WHERE f.event_type <> 'refund_accepted'
$$;

-- What each payment gave its merchant, and what refunds have taken from that while it was pending (L20). Refunds out of
-- released money (L21) do not count here, nor do those that failed.
CREATE OR REPLACE FUNCTION engine_payment_claims(p_payment_nos text[])
RETURNS TABLE (payment_no text, amount bigint, fee bigint, refunded bigint, returned_fee bigint)
LANGUAGE sql STABLE AS $$
    SELECT p.payment_no, p.amount, p.fee_amount, COALESCE(r.amount, 0)::bigint, COALESCE(r.fee, 0)::bigint
    FROM unnest(p_payment_nos) AS u (payment_no)
    JOIN engine_payment_order AS p ON p.payment_no = u.payment_no
    LEFT JOIN LATERAL (
        SELECT sum(b.amount) AS amount, sum(b.returned_fee) AS fee
        FROM engine_refund AS b
        WHERE b.order_no = p.order_no AND b.payment_no = p.payment_no AND b.purpose = 'ORDER'
          AND b.source = 'L20' AND b.status <> 'FAILED') AS r ON true
$$;
