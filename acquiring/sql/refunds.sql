-- Refunds 退款 as the merchant sees them, and what their end does to the order.

-- The Refund object of the merchant API: the one rendering for answers, lists and webhooks.
CREATE OR REPLACE FUNCTION acquiring_refund_json(p_refund_no text) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT row_to_json(v) FROM (
        SELECT
            r.refund_no,
            r.merchant_refund_no,
            r.order_no,
            o.merchant_order_no,
            r.status,
            r.amount,
            r.currency,
            NULLIF(r.reason, '') AS reason,
            platform_rfc3339(r.created_at) AS created_at,
            platform_rfc3339(r.succeeded_at) AS succeeded_at,
            r.failure_code
        FROM engine_refund_facts(p_refund_no) AS r
        JOIN acquiring_trade_order AS o ON o.order_no = r.order_no
    ) AS v
$$;

-- A refund has ended: what was on its way is refunded or is the merchant's again, and the merchant is told.
-- False when the order has not so much on its way.
CREATE OR REPLACE FUNCTION acquiring_end_refund(
    p_order_no text, p_refund_no text, p_amount bigint, p_succeeded boolean, p_event_id text, p_delivery_no text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o acquiring_trade_order;
    v_type text := CASE WHEN p_succeeded THEN 'refund.success' ELSE 'refund.failed' END;
BEGIN
    UPDATE acquiring_trade_order
    SET refunding_amount = refunding_amount - p_amount,
        refunded_amount = refunded_amount + CASE WHEN p_succeeded THEN p_amount ELSE 0 END
    WHERE order_no = p_order_no AND refunding_amount >= p_amount
    RETURNING * INTO o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM acquiring_record_event(
        p_event_id, v_type, o.merchant_no, p_refund_no,
        (SELECT row_to_json(v)::text FROM (
            SELECT p_event_id AS id, v_type AS type, platform_rfc3339(platform_now()) AS timestamp,
                acquiring_refund_json(p_refund_no) AS data) AS v),
        o.notify_url, p_delivery_no
    );
    RETURN true;
END
$$;
