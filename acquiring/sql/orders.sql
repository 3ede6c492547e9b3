-- Trade orders 交易订单: what the merchant sees, and every move that a payment causes.
-- Functions write and check; which move to ask for is decided in Python.

CREATE OR REPLACE FUNCTION platform_rfc3339(p_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The Order object of the merchant API: the one rendering for answers, lists and webhooks.
CREATE OR REPLACE FUNCTION acquiring_order_json(o acquiring_trade_order, p_base_url text) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT row_to_json(v) FROM (
        SELECT
            o.order_no,
            o.merchant_order_no,
            o.status,
            o.closing,
            o.amount,
            o.currency,
            o.refunded_amount,
            o.refunding_amount,
            o.subject,
            o.description,
            p_base_url || '/cashier/' || substr(o.order_no, 5) || o.cashier_secret AS cashier_url,
            platform_rfc3339(o.expires_at) AS expires_at,
            platform_rfc3339(o.created_at) AS created_at,
            platform_rfc3339(o.paid_at) AS paid_at,
            platform_rfc3339(o.closed_at) AS closed_at,
            CASE WHEN o.status = 'CLOSED' OR o.closing THEN o.close_reason END AS close_reason,
            o.failure_code,
            CASE WHEN o.payment_no IS NOT NULL THEN engine_payment_json(o.payment_no) END AS payment,
            o.metadata
    ) AS v
$$;

-- The merchant behind a usable key, or no row: revocation takes effect inside the very statement that acts, and so
-- does the policy that only signed requests count.
CREATE OR REPLACE FUNCTION acquiring_caller(p_key_id text)
RETURNS TABLE (merchant_no text, max_tries smallint)
LANGUAGE sql STABLE AS $$
    SELECT m.merchant_no, m.max_tries
    FROM acquiring_credential c
    JOIN acquiring_merchant m ON m.merchant_no = c.merchant_id
    WHERE c.key_id = p_key_id AND c.revoked_at IS NULL
      AND (c.expires_at IS NULL OR c.expires_at > platform_now())
      AND m.status = 'ACTIVE' AND NOT (m.signed_only AND c.algorithm = 'BEARER')
$$;

-- Why an order of this merchant takes no payment now: a domain error's code.
CREATE OR REPLACE FUNCTION acquiring_refusal(p_order_no text, p_merchant_no text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    o acquiring_trade_order;
BEGIN
    SELECT * INTO o FROM acquiring_trade_order WHERE order_no = p_order_no AND merchant_no = p_merchant_no;
    RETURN CASE
        WHEN o.order_no IS NULL THEN 'not_found'
        WHEN o.status = 'SUCCESS' THEN 'order_already_paid'
        WHEN o.status = 'FAILED' THEN 'order_failed'
        WHEN o.status = 'CLOSED' THEN 'order_closed'
        WHEN o.closing THEN 'order_closing'
        WHEN o.expires_at <= platform_now() THEN 'order_closed'
        WHEN o.status = 'PAYING' THEN 'payment_in_progress'
        ELSE 'conflict'
    END;
END
$$;

-- Move one order to PAYING for a new payment, or refuse with the precise reason and change nothing.
CREATE OR REPLACE FUNCTION acquiring_begin_payment(
    p_order_no text, p_merchant_no text, p_payment_no text, p_amount bigint, p_currency text,
    p_cause text, p_actor text, p_request_id text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE acquiring_trade_order SET status = 'PAYING', payment_no = p_payment_no
    WHERE order_no = p_order_no AND merchant_no = p_merchant_no AND status = 'INIT' AND NOT closing
      AND expires_at > platform_now() AND amount = p_amount AND currency = p_currency;
    IF FOUND THEN
        INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
        VALUES ('trade_order', p_order_no, 'INIT', 'PAYING', p_cause, p_actor, p_request_id);
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = acquiring_refusal(p_order_no, p_merchant_no);
END
$$;

-- The body of the event of a terminal move, with the order as it now is. Put together from texts that need no escaping
-- and the one rendering of the order: a query for it would cost as much as the row that it writes.
CREATE OR REPLACE FUNCTION acquiring_event_body(
    o acquiring_trade_order, p_type text, p_event_id text, p_base_url text
) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT '{"id":"' || p_event_id || '","type":"' || p_type || '","timestamp":"'
        || platform_rfc3339(platform_now()) || '","data":' || acquiring_order_json(o, p_base_url) || '}'
$$;

-- Write the merchant event of a terminal move.
CREATE OR REPLACE FUNCTION acquiring_announce_order(
    o acquiring_trade_order, p_type text, p_event_id text, p_delivery_no text, p_base_url text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM acquiring_record_event(
        p_event_id, p_type, o.merchant_no, o.order_no, acquiring_event_body(o, p_type, p_event_id, p_base_url),
        o.notify_url, p_delivery_no);
END
$$;

-- The payment is PAID: the order succeeds and the merchant is told. False when the order is not PAYING.
CREATE OR REPLACE FUNCTION acquiring_succeed_order(
    p_order_no text, p_event_id text, p_delivery_no text, p_base_url text,
    p_cause text, p_actor text, p_request_id text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o acquiring_trade_order;
BEGIN
    UPDATE acquiring_trade_order
    SET status = 'SUCCESS', paid_at = platform_now(), due_at = NULL, closing = false
    WHERE order_no = p_order_no AND status = 'PAYING'
    RETURNING * INTO o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    VALUES ('trade_order', p_order_no, 'PAYING', 'SUCCESS', p_cause, p_actor, p_request_id);
    PERFORM acquiring_announce_order(o, 'order.success', p_event_id, p_delivery_no, p_base_url);
    RETURN true;
END
$$;

-- The live payment failed: CLOSED when a close was waiting for it, INIT when a try is left, else FAILED.
-- Returns the new state, null when the order is not PAYING.
CREATE OR REPLACE FUNCTION acquiring_end_failed_payment(
    p_order_no text, p_failure_code text, p_counts_as_try boolean,
    p_event_id text, p_delivery_no text, p_base_url text,
    p_cause text, p_actor text, p_request_id text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    o acquiring_trade_order;
BEGIN
    UPDATE acquiring_trade_order AS t SET
        status = n.status,
        failed_tries = t.failed_tries + n.tried,
        failure_code = CASE WHEN n.status = 'FAILED' THEN p_failure_code END,
        closed_at = CASE WHEN n.status = 'CLOSED' THEN platform_now() END,
        closing = false,
        due_at = CASE WHEN n.status = 'INIT' THEN t.expires_at END
    FROM (
        SELECT c.order_no, p_counts_as_try::int AS tried,
            CASE WHEN c.closing THEN 'CLOSED'
                 WHEN c.failed_tries + p_counts_as_try::int < c.max_tries THEN 'INIT'
                 ELSE 'FAILED' END AS status
        FROM acquiring_trade_order c WHERE c.order_no = p_order_no FOR UPDATE
    ) AS n
    WHERE t.order_no = n.order_no AND t.status = 'PAYING'
    RETURNING t.* INTO o;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    VALUES ('trade_order', p_order_no, 'PAYING', o.status, p_cause, p_actor, p_request_id);
    IF o.status <> 'INIT' THEN
        PERFORM acquiring_announce_order(
            o, CASE o.status WHEN 'CLOSED' THEN 'order.closed' ELSE 'order.failed' END,
            p_event_id, p_delivery_no, p_base_url);
    END IF;
    RETURN o.status;
END
$$;

-- Close an unpaid order that has no live payment. False when it is not INIT.
CREATE OR REPLACE FUNCTION acquiring_close_idle_order(
    p_order_no text, p_reason text, p_event_id text, p_delivery_no text, p_base_url text,
    p_cause text, p_actor text, p_request_id text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o acquiring_trade_order;
BEGIN
    UPDATE acquiring_trade_order
    SET status = 'CLOSED', close_reason = p_reason, closed_at = platform_now(), due_at = NULL, closing = false
    WHERE order_no = p_order_no AND status = 'INIT'
    RETURNING * INTO o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    VALUES ('trade_order', p_order_no, 'INIT', 'CLOSED', p_cause, p_actor, p_request_id);
    PERFORM acquiring_announce_order(o, 'order.closed', p_event_id, p_delivery_no, p_base_url);
    RETURN true;
END
$$;

-- Close up to p_limit unpaid orders past their time that have no live payment, set by set.
-- p_numbers holds an event and a delivery number for each possible row. Returns how many were closed.
CREATE OR REPLACE FUNCTION acquiring_expire_idle_orders(
    p_limit integer, p_event_ids text[], p_delivery_nos text[], p_base_url text, p_request_id text
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_orders text[];
    v_merchants text[];
    v_urls text[];
    v_events text[];
    v_deliveries text[];
    v_bodies text[];
BEGIN
    WITH due AS (
        SELECT d.order_no, row_number() OVER () AS n
        FROM (
            SELECT order_no FROM acquiring_trade_order
            WHERE due_at <= platform_now() AND status = 'INIT'
            ORDER BY due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) AS d
    ), moved AS (
        UPDATE acquiring_trade_order AS t
        SET status = 'CLOSED', close_reason = 'EXPIRED', closed_at = platform_now(), due_at = NULL
        FROM due
        JOIN unnest(p_event_ids, p_delivery_nos) WITH ORDINALITY AS i (event_id, delivery_no, n) ON i.n = due.n
        WHERE t.order_no = due.order_no AND t.status = 'INIT'
        RETURNING t AS o, i.event_id, i.delivery_no
    )
    SELECT array_agg((m.o).order_no), array_agg((m.o).merchant_no), array_agg((m.o).notify_url),
        array_agg(m.event_id), array_agg(m.delivery_no),
        array_agg(acquiring_event_body(m.o, 'order.closed', m.event_id, p_base_url))
    INTO v_orders, v_merchants, v_urls, v_events, v_deliveries, v_bodies
    FROM moved m;
    IF v_orders IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT 'trade_order', i.order_no, 'INIT', 'CLOSED', 'expiry', 'system', p_request_id
    FROM unnest(v_orders) AS i (order_no);
    PERFORM acquiring_record_events(
        v_events, 'order.closed', v_merchants, v_orders, v_bodies, v_urls, v_deliveries);
    RETURN cardinality(v_orders);
END
$$;

-- What acceptance 受理 must know of an order, its caller checked; one row or none. Dropped first: earlier releases
-- returned fewer columns, and migrations before the one that adds them load this file as well.
DROP FUNCTION IF EXISTS acquiring_payable_order(text, text, text);
CREATE FUNCTION acquiring_payable_order(p_order_no text, p_key_id text, p_merchant_no text)
RETURNS TABLE (
    order_no text, merchant_no text, status text, closing boolean, expired boolean, amount bigint, currency text,
    subject text, metadata jsonb, allowed_methods jsonb, payment_no text, return_url text,
    expires_at timestamptz, fee_rate_ppm integer, fee_terms text, cashier_token text, payee text, payer_ref text
)
LANGUAGE sql STABLE AS $$
    SELECT o.order_no, o.merchant_no, o.status::text, o.closing, o.expires_at <= platform_now(), o.amount,
        o.currency::text, o.subject, o.metadata, o.allowed_methods, o.payment_no, o.return_url, o.expires_at,
        coalesce(f.rate_ppm, 0), f.terms::text, substr(o.order_no, 5) || o.cashier_secret,
        (SELECT m.name::text FROM acquiring_merchant m WHERE m.merchant_no = o.merchant_no), o.payer_ref
    FROM acquiring_trade_order o
    LEFT JOIN acquiring_fee_contract f ON f.contract_no = o.fee_contract_no
    WHERE o.order_no = p_order_no
      AND o.merchant_no = coalesce((SELECT c.merchant_no FROM acquiring_caller(p_key_id) c), p_merchant_no)
$$;
