-- Plain refunds 普通退款, acquiring's floor: orders are locked and judged, the engine does its part between, and the
-- merchants are told. Whatever is not plain is left as it was (docs/decisions/0040).

-- Accept what is plain of these refunds (p_wishes: the engine's words of each, handed down unread). A merchant, whose key
-- is checked again, names the order by one of its numbers or both. Orders are locked by their numbers, so that two calls do not wait for each other;
-- p_patience_ms is how long to wait for a row that somebody holds, null for the session's own time. Returns what was
-- accepted, with the Refund object; of the others nothing is written. Raises insufficient_merchant_balance.
CREATE OR REPLACE FUNCTION acquiring_accept_plain_refunds(
    p_key_ids text[], p_merchant_nos text[], p_order_nos text[], p_merchant_order_nos text[], p_amounts bigint[],
    p_wishes jsonb, p_event_ids text[], p_delivery_nos text[], p_time_zone text, p_patience_ms integer
) RETURNS TABLE (refund_no text, order_no text, status text, refund text)
LANGUAGE plpgsql
-- As for payments from balances: plans are kept and none may ever be a scan.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    v_named text[];
    v_places bigint[];
    v_orders text[];
    v_payments text[];
    v_sources text[];
    v_return_fee boolean[];
    v_most integer[];
    v_refunds text[];
    v_amounts bigint[];
    v_ends text[];
BEGIN
    IF p_patience_ms IS NOT NULL THEN
        PERFORM set_config('lock_timeout', p_patience_ms::text, true);
    END IF;
    v_named := ARRAY (
        SELECT coalesce(i.order_no, (
            SELECT t.order_no FROM acquiring_trade_order t
            WHERE t.merchant_no = i.merchant_no AND t.merchant_order_no = i.merchant_order_no), '')
        FROM unnest(p_merchant_nos, p_order_nos, p_merchant_order_nos) WITH ORDINALITY
            AS i (merchant_no, order_no, merchant_order_no, place)
        ORDER BY i.place);
    PERFORM FROM acquiring_trade_order t WHERE t.order_no = ANY (v_named) ORDER BY t.order_no FOR UPDATE;
    SELECT array_agg(q.place), array_agg(q.order_no), array_agg(q.payment_no), array_agg(q.source),
        array_agg(q.returns_fee), array_agg(q.most)
    INTO v_places, v_orders, v_payments, v_sources, v_return_fee, v_most
    FROM (
        SELECT DISTINCT ON (t.order_no) i.place, t.order_no, t.payment_no, m.max_refunds_per_order AS most,
            coalesce(r.source, 'L20') AS source, coalesce(f.returned_on_refund, false) AS returns_fee
        FROM unnest(p_key_ids, v_named, p_merchant_order_nos, p_amounts) WITH ORDINALITY
            AS i (key_id, order_no, merchant_order_no, amount, place)
        CROSS JOIN LATERAL acquiring_caller(i.key_id) AS c
        JOIN acquiring_trade_order t ON t.order_no = i.order_no AND t.order_no = ANY (v_named)
        JOIN acquiring_merchant m ON m.merchant_no = t.merchant_no
        LEFT JOIN acquiring_fee_contract f ON f.contract_no = t.fee_contract_no
        LEFT JOIN LATERAL (  -- its payment has been released: the money is available to the merchant
            SELECT 'L21' AS source FROM acquiring_settlement_item s
            WHERE s.order_no = t.order_no AND s.kind = 'PAYMENT' AND s.batch_no IS NOT NULL LIMIT 1
        ) AS r ON true
        WHERE t.merchant_no = c.merchant_no AND t.merchant_order_no = coalesce(i.merchant_order_no, t.merchant_order_no)
          AND t.status = 'SUCCESS' AND i.amount <= t.amount - t.refunded_amount - t.refunding_amount
          AND platform_now() < t.paid_at + make_interval(hours => 24 * m.refund_window_days)
        ORDER BY t.order_no, i.place
    ) AS q;
    SELECT array_agg(a.place), array_agg(a.refund_no), array_agg(a.order_no), array_agg(a.amount), array_agg(a.status)
    INTO v_places, v_refunds, v_orders, v_amounts, v_ends
    FROM engine_accept_plain_refunds(
        p_wishes, v_places, v_orders, v_payments, v_sources, v_return_fee, v_most, p_time_zone) AS a;
    IF v_refunds IS NULL THEN
        RETURN;
    END IF;
    UPDATE acquiring_trade_order AS t SET refunding_amount = t.refunding_amount + i.amount
    FROM unnest(v_orders, v_amounts) AS i (order_no, amount)
    WHERE t.order_no = i.order_no AND t.order_no = ANY (v_orders);
    PERFORM acquiring_end_refunds(array_agg(i.order_no), array_agg(i.refund_no), array_agg(i.amount), true,
        array_agg(p_event_ids[i.place]), array_agg(p_delivery_nos[i.place]))
    FROM unnest(v_orders, v_refunds, v_amounts, v_places, v_ends) AS i (order_no, refund_no, amount, place, ended)
    WHERE i.ended = 'SUCCESS' HAVING count(*) > 0;
    RETURN QUERY
    SELECT i.refund_no, i.order_no, i.ended, acquiring_refund_json(i.refund_no)::text
    FROM unnest(v_refunds, v_orders, v_ends) AS i (refund_no, order_no, ended);
END
$$;

-- A channel says that a refund is done (p_success: the engine's words, handed down unread): lock its order, let the engine
-- end it if that is plain, and tell the merchant. Returns the order's number, or null: nothing was written.
CREATE OR REPLACE FUNCTION acquiring_take_refund_success(
    p_refund_no text, p_success jsonb, p_event_id text, p_delivery_no text, p_time_zone text
) RETURNS text
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_order_no text;
    v_amount bigint;
BEGIN
    SELECT f.order_no INTO v_order_no FROM engine_refund_facts(p_refund_no) AS f;
    IF v_order_no IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM acquiring_trade_order t WHERE t.order_no = v_order_no FOR UPDATE;
    v_amount := engine_take_refund_success(p_success, p_time_zone);
    IF v_amount IS NULL THEN
        RETURN NULL;
    END IF;
    IF NOT acquiring_end_refund(v_order_no, p_refund_no, v_amount, true, p_event_id, p_delivery_no) THEN
        RAISE EXCEPTION '% has not counted % as on its way', v_order_no, p_refund_no USING ERRCODE = 'PC900';
    END IF;
    RETURN v_order_no;
END
$$;
