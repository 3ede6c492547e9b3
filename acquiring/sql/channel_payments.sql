-- Channel payments 渠道支付, acquiring's floor: the orders whose channels have just said that they were paid.

-- Lock the orders of these successes (the engine's words, handed down unread), let the engine take those that are plain,
-- and end the orders of these. Orders are locked by their numbers, so that two calls do not wait for each other;
-- p_patience_ms is how long to wait for a row that somebody holds, null for the session's own time. Returns what was
-- taken; of the others nothing is written.
CREATE OR REPLACE FUNCTION acquiring_take_successes(
    p_successes jsonb, p_event_ids text[], p_delivery_nos text[], p_base_url text, p_time_zone text,
    p_patience_ms integer
) RETURNS TABLE (attempt_no text, order_no text)
LANGUAGE plpgsql
-- As for payments from balances: plans are kept and none may ever be a scan.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_named constant text[] := engine_orders_of_successes(p_successes);
    v_live text[];
    v_places bigint[];
    v_attempts text[];
    v_orders text[];
    v_causes text[];
    v_actors text[];
    v_requests text[];
BEGIN
    IF p_patience_ms IS NOT NULL THEN
        PERFORM set_config('lock_timeout', p_patience_ms::text, true);
    END IF;
    WITH locked AS MATERIALIZED (
        SELECT o.status, o.payment_no FROM acquiring_trade_order o WHERE o.order_no = ANY (v_named)
        ORDER BY o.order_no FOR UPDATE
    )
    SELECT array_agg(l.payment_no) INTO v_live FROM locked l WHERE l.status = 'PAYING';
    SELECT array_agg(t.place), array_agg(t.attempt_no), array_agg(t.order_no), array_agg(t.cause), array_agg(t.actor),
        array_agg(t.request_id)
    INTO v_places, v_attempts, v_orders, v_causes, v_actors, v_requests
    FROM engine_take_successes(p_successes, v_live, p_time_zone) AS t;
    IF v_orders IS NULL THEN
        RETURN;
    END IF;
    PERFORM acquiring_succeed_orders(
        v_orders, ARRAY (SELECT p_event_ids[u.place] FROM unnest(v_places) AS u (place)),
        ARRAY (SELECT p_delivery_nos[u.place] FROM unnest(v_places) AS u (place)), p_base_url,
        v_causes, v_actors, v_requests);
    RETURN QUERY SELECT u.attempt_no, u.order_no FROM unnest(v_attempts, v_orders) AS u (attempt_no, order_no);
END
$$;
