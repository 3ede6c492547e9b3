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

-- Refunds of different orders have ended: what was on its way is refunded or is the merchant's again, and the merchant is
-- told. Returns the orders; one that has not so much on its way is left out.
CREATE OR REPLACE FUNCTION acquiring_end_refunds(
    p_order_nos text[], p_refund_nos text[], p_amounts bigint[], p_succeeded boolean, p_event_ids text[],
    p_delivery_nos text[]
) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    v_type constant text := CASE WHEN p_succeeded THEN 'refund.success' ELSE 'refund.failed' END;
    v_orders text[];
    v_merchants text[];
    v_refunds text[];
    v_urls text[];
    v_events text[];
    v_deliveries text[];
    v_bodies text[];
BEGIN
    WITH counted AS (
        UPDATE acquiring_trade_order AS t
        SET refunding_amount = t.refunding_amount - i.amount,
            refunded_amount = t.refunded_amount + CASE WHEN p_succeeded THEN i.amount ELSE 0 END
        FROM unnest(p_order_nos, p_refund_nos, p_amounts, p_event_ids, p_delivery_nos)
            AS i (order_no, refund_no, amount, event_id, delivery_no)
        WHERE t.order_no = i.order_no AND t.order_no = ANY (p_order_nos) AND t.refunding_amount >= i.amount
        RETURNING t.order_no, t.merchant_no, t.notify_url, i.refund_no, i.event_id, i.delivery_no
    )
    SELECT array_agg(c.order_no), array_agg(c.merchant_no), array_agg(c.refund_no), array_agg(c.notify_url),
        array_agg(c.event_id), array_agg(c.delivery_no), array_agg((
            SELECT row_to_json(v)::text FROM (
                SELECT c.event_id AS id, v_type AS type, platform_rfc3339(platform_now()) AS timestamp,
                    acquiring_refund_json(c.refund_no) AS data) AS v))
    INTO v_orders, v_merchants, v_refunds, v_urls, v_events, v_deliveries, v_bodies
    FROM counted c;
    IF v_orders IS NOT NULL THEN
        PERFORM acquiring_record_events(v_events, v_type, v_merchants, v_refunds, v_bodies, v_urls, v_deliveries);
    END IF;
    RETURN v_orders;
END
$$;

-- The same for one refund. False when its order has not so much on its way.
CREATE OR REPLACE FUNCTION acquiring_end_refund(
    p_order_no text, p_refund_no text, p_amount bigint, p_succeeded boolean, p_event_id text, p_delivery_no text
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN acquiring_end_refunds(ARRAY[p_order_no], ARRAY[p_refund_no], ARRAY[p_amount], p_succeeded,
        ARRAY[p_event_id], ARRAY[p_delivery_no]) IS NOT NULL;
END
$$;
