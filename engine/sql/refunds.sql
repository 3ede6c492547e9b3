-- Refunds 退款单: what the owner of a payment may read of one, in one row or none.

CREATE OR REPLACE FUNCTION engine_refund_facts(p_refund_no text)
RETURNS TABLE (
    refund_no text, merchant_refund_no text, merchant_no text, order_no text, status text, amount bigint,
    currency text, reason text, created_at timestamptz, succeeded_at timestamptz, failure_code text
)
LANGUAGE sql STABLE AS $$
    SELECT r.refund_no, r.merchant_refund_no, r.merchant_no, r.order_no, r.status::text, r.amount,
        r.currency::text, r.reason, r.created_at, r.succeeded_at, r.failure_code
    FROM engine_refund AS r
    WHERE r.refund_no = p_refund_no AND r.purpose = 'ORDER'
$$;
