-- Balance payments 余额支付, acquiring's floor: several orders, each paid for itself, in one transaction. One statement
-- for all of them where it can be: a statement costs more than a row.

-- Move orders to PAYING for new payments, or raise why one of them takes none. They are locked by their numbers, so
-- that two calls do not wait for each other.
CREATE OR REPLACE FUNCTION acquiring_begin_payments(
    p_order_nos text[], p_merchant_nos text[], p_payment_nos text[], p_amounts bigint[], p_currencies text[],
    p_causes text[], p_actors text[], p_request_ids text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_begun text[];
BEGIN
    WITH begun AS (
        UPDATE acquiring_trade_order AS t SET status = 'PAYING', payment_no = i.payment_no
        FROM (
            SELECT * FROM unnest(p_order_nos, p_merchant_nos, p_payment_nos, p_amounts, p_currencies)
                AS u (order_no, merchant_no, payment_no, amount, currency)
            ORDER BY u.order_no
        ) AS i
        WHERE t.order_no = i.order_no AND t.order_no = ANY (p_order_nos)
          AND t.merchant_no = i.merchant_no AND t.status = 'INIT' AND NOT t.closing
          AND t.expires_at > platform_now() AND t.amount = i.amount AND t.currency = i.currency
        RETURNING t.order_no
    )
    SELECT array_agg(b.order_no) INTO v_begun FROM begun b;
    IF cardinality(v_begun) = cardinality(p_order_nos) THEN
        INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
        SELECT 'trade_order', i.order_no, 'INIT', 'PAYING', i.cause, i.actor, i.request_id
        FROM unnest(p_order_nos, p_causes, p_actors, p_request_ids) AS i (order_no, cause, actor, request_id);
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(p_order_nos) LOOP
        IF v_begun IS NULL OR p_order_nos[i] <> ALL (v_begun) THEN
            RAISE EXCEPTION USING ERRCODE = 'PC400',
                MESSAGE = acquiring_refusal(p_order_nos[i], p_merchant_nos[i]);
        END IF;
    END LOOP;
    RAISE EXCEPTION 'an order is named twice' USING ERRCODE = 'PC900';
END
$$;

-- The payments of these orders are PAID: the orders succeed and their merchants are told.
CREATE OR REPLACE FUNCTION acquiring_succeed_orders(
    p_order_nos text[], p_event_ids text[], p_delivery_nos text[], p_base_url text,
    p_causes text[], p_actors text[], p_request_ids text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_events text[];
    v_deliveries text[];
    v_merchants text[];
    v_orders text[];
    v_bodies text[];
    v_urls text[];
BEGIN
    WITH moved AS (
        UPDATE acquiring_trade_order AS t
        SET status = 'SUCCESS', paid_at = platform_now(), due_at = NULL, closing = false
        FROM unnest(p_order_nos, p_event_ids, p_delivery_nos) AS i (order_no, event_id, delivery_no)
        WHERE t.order_no = i.order_no AND t.order_no = ANY (p_order_nos) AND t.status = 'PAYING'
        RETURNING t AS o, i.event_id, i.delivery_no
    )
    SELECT array_agg(m.event_id), array_agg(m.delivery_no), array_agg((m.o).merchant_no), array_agg((m.o).order_no),
        array_agg((m.o).notify_url), array_agg(acquiring_event_body(m.o, 'order.success', m.event_id, p_base_url))
    INTO v_events, v_deliveries, v_merchants, v_orders, v_urls, v_bodies
    FROM moved m;
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT 'trade_order', i.order_no, 'PAYING', 'SUCCESS', i.cause, i.actor, i.request_id
    FROM unnest(p_order_nos, p_causes, p_actors, p_request_ids) AS i (order_no, cause, actor, request_id);
    PERFORM acquiring_record_events(
        v_events, 'order.success', v_merchants, v_orders, v_bodies, v_urls, v_deliveries);
END
$$;

-- Pay each order from its payer's balance: begin, let the engine move the money, end. Returns the payments' end states.
CREATE OR REPLACE FUNCTION acquiring_pay_from_balances(
    p_order_nos text[], p_merchant_nos text[], p_payment_nos text[], p_detail_nos text[], p_journal_nos text[],
    p_event_ids text[], p_delivery_nos text[], p_payer_nos text[], p_amounts bigint[], p_currencies text[],
    p_fees bigint[], p_options_digests text[], p_time_zone text, p_base_url text,
    p_causes text[], p_actors text[], p_request_ids text[]
) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ends text[];
    v_paid integer[] := '{}';
BEGIN
    PERFORM acquiring_begin_payments(
        p_order_nos, p_merchant_nos, p_payment_nos, p_amounts, p_currencies, p_causes, p_actors, p_request_ids);
    v_ends := engine_pay_from_balances(
        p_payment_nos, p_detail_nos, p_order_nos, p_merchant_nos, p_payer_nos, p_amounts, p_currencies, p_fees,
        p_journal_nos, p_options_digests, p_time_zone, p_causes, p_actors, p_request_ids);
    IF 'FAILED' <> ALL (v_ends) THEN
        PERFORM acquiring_succeed_orders(
            p_order_nos, p_event_ids, p_delivery_nos, p_base_url, p_causes, p_actors, p_request_ids);
        RETURN v_ends;
    END IF;
    FOR i IN 1 .. cardinality(v_ends) LOOP
        IF v_ends[i] = 'PAID' THEN
            PERFORM acquiring_succeed_order(p_order_nos[i], p_event_ids[i], p_delivery_nos[i], p_base_url,
                p_causes[i], p_actors[i], p_request_ids[i]);
        ELSE
            PERFORM acquiring_end_failed_payment(p_order_nos[i], 'insufficient_balance', true, p_event_ids[i],
                p_delivery_nos[i], p_base_url, p_causes[i], p_actors[i], p_request_ids[i]);
        END IF;
    END LOOP;
    RETURN v_ends;
END
$$;
