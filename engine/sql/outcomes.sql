-- The funnel's plain successes: attempts whose channel says that it has exactly what was asked for, of payments that
-- wait for nothing else. Each has the rows and moves that engine/services/outcomes.py would have made, and whatever is
-- not plain is left as it was, for that module to decide (docs/decisions/0031).
--
-- p_successes is a list of engine/services/plain_successes.py's PlainSuccess. No attempt and no charge is named twice.

-- The orders of the attempts that are named, to be locked before anything of theirs is looked at.
CREATE OR REPLACE FUNCTION engine_orders_of_successes(p_successes jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_attempt_nos constant text[] := ARRAY (
        SELECT i.value ->> 'attempt_no' FROM jsonb_array_elements(p_successes) AS i);
BEGIN
    RETURN ARRAY (SELECT a.order_no FROM engine_channel_attempt a WHERE a.attempt_no = ANY (v_attempt_nos));
END
$$;

-- Lock what the successes are about and return those that are plain; writes nothing. p_live_payment_nos are the
-- payments for which locked orders wait. An attempt that people look at is not plain: its case ends with it.
CREATE OR REPLACE FUNCTION engine_lock_plain_successes(p_successes jsonb, p_live_payment_nos text[])
RETURNS engine_plain_success[]
LANGUAGE plpgsql AS $$
DECLARE
    v_attempt_nos constant text[] := ARRAY (
        SELECT i.value ->> 'attempt_no' FROM jsonb_array_elements(p_successes) AS i);
    v_plain engine_plain_success[];
    v_charges text[];
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT i.place, a.attempt_no, a.status AS stood, a.channel_code, i.channel_trade_no, i.last_answer, d.detail_no,
            p.payment_no, p.order_no, p.merchant_no, p.amount, p.currency, p.fee_amount, i.journal_no,
            i.cause, i.actor, i.request_id,
            a.live_detail_no IS NOT NULL AND a.channel_code = coalesce(i.channel_code, a.channel_code)
                AND a.amount = i.amount AND a.currency = i.currency
                AND d.status = 'INIT' AND d.channel_code = a.channel_code AND d.amount = p.amount
                AND p.status = 'PAYING' AS is_plain
        FROM ROWS FROM (jsonb_to_recordset(p_successes) AS (
                attempt_no text, channel_code text, channel_trade_no text, amount bigint, currency text,
                last_answer text, journal_no text, cause text, actor text, request_id text)
            ) WITH ORDINALITY AS i (attempt_no, channel_code, channel_trade_no, amount, currency,
                last_answer, journal_no, cause, actor, request_id, place)
        JOIN engine_channel_attempt a ON a.attempt_no = i.attempt_no
        JOIN engine_payment_order p ON p.payment_no = a.payment_no
        JOIN engine_payment_detail d ON d.detail_no = a.detail_id
        WHERE a.attempt_no = ANY (v_attempt_nos) AND p.payment_no = ANY (p_live_payment_nos)
          AND d.payment_id = ANY (p_live_payment_nos)
        ORDER BY p.payment_no
        FOR UPDATE OF p, d, a
    )
    SELECT array_agg(ROW(l.place, l.attempt_no, l.stood, l.channel_code, l.channel_trade_no, l.last_answer, l.detail_no,
        l.payment_no, l.order_no, l.merchant_no, l.amount, l.currency, l.fee_amount, l.journal_no,
        l.cause, l.actor, l.request_id)::engine_plain_success ORDER BY l.payment_no)
    INTO v_plain
    FROM locked l
    WHERE l.is_plain AND NOT EXISTS (
        SELECT FROM engine_case c
        WHERE c.object_no = l.attempt_no AND c.object_no = ANY (v_attempt_nos) AND c.kind IN ('inquiry_schedule_spent', 'amount_mismatch')
          AND c.resolved_at IS NULL);
    -- Two orders whose answers name the same charge share no row: the lock lets one of them see the other.
    PERFORM pg_advisory_xact_lock(hashtextextended(c.charge, 0)) FROM (
        SELECT 'charge ' || s.channel_code || ' ' || s.channel_trade_no AS charge FROM unnest(v_plain) AS s ORDER BY 1
    ) AS c;
    v_charges := ARRAY (SELECT s.channel_trade_no FROM unnest(v_plain) AS s);
    RETURN ARRAY (
        SELECT s::engine_plain_success FROM unnest(v_plain) AS s
        WHERE NOT EXISTS (
                SELECT FROM engine_channel_attempt o
                WHERE o.channel_code = s.channel_code AND o.channel_trade_no = s.channel_trade_no
                  AND o.channel_trade_no = ANY (v_charges) AND o.status = 'SUCCEEDED')
          AND NOT EXISTS (
                SELECT FROM engine_late_money m
                WHERE m.channel_code = s.channel_code AND m.channel_trade_no = s.channel_trade_no
                  AND m.channel_trade_no = ANY (v_charges)));
END
$$;

-- End what is plain: attempt, detail and payment moved, the journal posted, the callback kept that told of it. Returns
-- which ones were, for the owner of the payments to end the orders of; of the others nothing is written.
CREATE OR REPLACE FUNCTION engine_take_successes(p_successes jsonb, p_live_payment_nos text[], p_time_zone text)
RETURNS TABLE (place bigint, attempt_no text, order_no text, cause text, actor text, request_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_plain constant engine_plain_success[] := engine_lock_plain_successes(p_successes, p_live_payment_nos);
    v_attempt_nos constant text[] := ARRAY (SELECT s.attempt_no FROM unnest(v_plain) AS s);
    v_detail_nos constant text[] := ARRAY (SELECT s.detail_no FROM unnest(v_plain) AS s);
    v_payment_nos constant text[] := ARRAY (SELECT s.payment_no FROM unnest(v_plain) AS s);
    v_moved integer;
BEGIN
    IF cardinality(v_plain) = 0 THEN
        RETURN;
    END IF;
    UPDATE engine_channel_attempt AS a
    SET status = 'SUCCEEDED', channel_trade_no = s.channel_trade_no, live_detail_no = NULL, next_query_at = NULL,
        lease_token = NULL, leased_until = NULL, last_outcome = 'SUCCEEDED', last_outcome_cause = s.cause,
        last_outcome_at = platform_now(), last_answer = s.last_answer,
        submit_outcome = CASE WHEN s.cause = 'sync_answer' AND a.submit_outcome = '' THEN 'SUCCEEDED'
                              ELSE a.submit_outcome END
    FROM unnest(v_plain) AS s
    WHERE a.attempt_no = s.attempt_no AND a.attempt_no = ANY (v_attempt_nos)
      AND a.status IN ('CREATED', 'SENT', 'PENDING', 'UNKNOWN');
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    IF v_moved <> cardinality(v_plain) THEN
        RAISE EXCEPTION 'an attempt is named twice' USING ERRCODE = 'PC900';
    END IF;
    UPDATE engine_payment_detail AS d SET status = 'HELD'
    WHERE d.detail_no = ANY (v_detail_nos) AND d.status = 'INIT';
    UPDATE engine_payment_detail AS d SET status = 'DONE'
    WHERE d.detail_no = ANY (v_detail_nos) AND d.status = 'HELD';
    UPDATE engine_payment_order AS p SET status = 'PAID', paid_at = platform_now(), live_order_no = NULL, closing = false
    WHERE p.payment_no = ANY (v_payment_nos) AND p.status = 'PAYING';
    INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT m.machine, m.object_no, m.from_status, m.to_status, s.cause, s.actor, s.request_id
    FROM unnest(v_plain) AS s
    CROSS JOIN LATERAL (VALUES
        ('channel_attempt', s.attempt_no, s.stood, 'SUCCEEDED'),
        ('payment_detail', s.detail_no, 'INIT', 'HELD'),
        ('payment_detail', s.detail_no, 'HELD', 'DONE'),
        ('payment_order', s.payment_no, 'PAYING', 'PAID')
    ) AS m (machine, object_no, from_status, to_status);
    PERFORM engine_post_channel_payments(v_plain, p_time_zone);
    INSERT INTO engine_channel_callback (channel_code, headers, body, result, note, attempt_no)
    SELECT i.channel_code, i.headers, decode(i.body, 'base64'), 'APPLIED', 'paid', i.attempt_no
    FROM jsonb_to_recordset(p_successes) AS i (attempt_no text, channel_code text, headers jsonb, body text)
    WHERE i.body IS NOT NULL AND i.attempt_no = ANY (v_attempt_nos);
    RETURN QUERY
    SELECT s.place, s.attempt_no, s.order_no, s.cause, s.actor, s.request_id FROM unnest(v_plain) AS s;
END
$$;

-- Post the journal of each of these payments: the channel owes us what became the merchant's claim, less the fee.
CREATE OR REPLACE FUNCTION engine_post_channel_payments(p_plain engine_plain_success[], p_time_zone text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    s engine_plain_success;
    channel text;
    merchant text;
    posted text;
BEGIN
    FOREACH s IN ARRAY p_plain LOOP
        channel := 'A10:' || s.channel_code || ':' || s.currency;
        merchant := 'L20:' || s.merchant_no || ':' || s.currency;
        IF s.fee_amount > 0 THEN
            posted := ledger_post(s.journal_no, 'payment_paid', s.payment_no, today, s.currency,
                ARRAY[channel, merchant], ARRAY[merchant, 'I10:platform:' || s.currency],
                ARRAY[s.amount, s.fee_amount]);
        ELSE
            posted := ledger_post(s.journal_no, 'payment_paid', s.payment_no, today, s.currency,
                ARRAY[channel], ARRAY[merchant], ARRAY[s.amount]);
        END IF;
        IF posted IS NULL THEN
            RAISE EXCEPTION 'the journal of % was refused', s.payment_no USING ERRCODE = 'PC900';
        END IF;
    END LOOP;
END
$$;
