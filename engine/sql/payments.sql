-- Payment orders 支付总单: rendering, and the balance payment in one go.

-- The `payment` member of the merchant's Order object.
CREATE OR REPLACE FUNCTION engine_payment_json(p_payment_no text) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT row_to_json(v) FROM (
        SELECT p.payment_no, p.status, p.method, p.failure_code, (
            SELECT json_agg(row_to_json(w) ORDER BY w.channel NULLS FIRST, w.detail_no) FROM (
                SELECT d.detail_no, d.method, d.channel_code AS channel, d.amount, d.status, d.refunded_amount
                FROM engine_payment_detail d WHERE d.payment_id = p.payment_no) AS w) AS details
        FROM engine_payment_order p WHERE p.payment_no = p_payment_no
    ) AS v
$$;

-- What the payer's page shows of a payment, in a few characters: they change when it does. Beside it: whether the next
-- inquiry may be brought forward, at most every p_forward_every_s.
CREATE OR REPLACE FUNCTION engine_payment_stamp(p_payment_no text, p_forward_every_s integer)
RETURNS TABLE (stamp text, is_forward_due boolean)
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', p.status, p.closing, p.failure_code, a.attempt_no, a.status, md5(a.action::text)),
        coalesce(a.next_query_at > platform_now()
            AND coalesce(a.forwarded_at, a.created_at) < platform_now() - make_interval(secs => p_forward_every_s), false)
    FROM engine_payment_order p
    LEFT JOIN engine_channel_attempt a ON a.payment_no = p.payment_no AND a.live_detail_no IS NOT NULL
    WHERE p.payment_no = p_payment_no
$$;

-- Payments from payers' balances alone, each its own: every row in its first state, then moved; the money of each in
-- its own journal. Returns for each PAID, or FAILED where the balance is too small and no money has moved.
CREATE OR REPLACE FUNCTION engine_pay_from_balances(
    p_payment_nos text[], p_detail_nos text[], p_order_nos text[], p_merchant_nos text[], p_payer_nos text[],
    p_amounts bigint[], p_currencies text[], p_fees bigint[], p_journal_nos text[], p_options_digests text[],
    p_time_zone text, p_causes text[], p_actors text[], p_request_ids text[]
) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    v_ends text[];
BEGIN
    INSERT INTO engine_payment_order (
        payment_no, order_no, live_order_no, merchant_no, payer_no, amount, currency, method, fee_amount, options_digest)
    SELECT i.payment_no, i.order_no, i.order_no, i.merchant_no, i.payer_no, i.amount, i.currency, 'BALANCE', i.fee,
        i.options_digest
    FROM unnest(p_payment_nos, p_order_nos, p_merchant_nos, p_payer_nos, p_amounts, p_currencies, p_fees,
        p_options_digests)
        AS i (payment_no, order_no, merchant_no, payer_no, amount, currency, fee, options_digest);
    INSERT INTO engine_payment_detail (detail_no, payment_id, method, amount, currency)
    SELECT i.detail_no, i.payment_no, 'BALANCE', i.amount, i.currency
    FROM unnest(p_detail_nos, p_payment_nos, p_amounts, p_currencies) AS i (detail_no, payment_no, amount, currency);
    UPDATE engine_payment_order SET status = 'PAYING' WHERE payment_no = ANY (p_payment_nos) AND status = 'INIT';

    v_ends := engine_post_balances(
        p_payment_nos, p_merchant_nos, p_payer_nos, p_amounts, p_currencies, p_fees, p_journal_nos, p_time_zone);

    UPDATE engine_payment_detail AS d SET status = CASE i.ended WHEN 'PAID' THEN 'DONE' ELSE 'FAILED' END
    FROM unnest(p_detail_nos, v_ends) AS i (detail_no, ended)
    WHERE d.detail_no = i.detail_no AND d.detail_no = ANY (p_detail_nos) AND d.status = 'INIT';
    UPDATE engine_payment_order AS p
    SET status = i.ended, live_order_no = NULL, paid_at = CASE i.ended WHEN 'PAID' THEN platform_now() END,
        failure_code = CASE i.ended WHEN 'FAILED' THEN 'insufficient_balance' END
    FROM unnest(p_payment_nos, v_ends) AS i (payment_no, ended)
    WHERE p.payment_no = i.payment_no AND p.payment_no = ANY (p_payment_nos) AND p.status = 'PAYING';
    INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT m.machine, m.object_no, m.from_status, m.to_status, i.cause, i.actor, i.request_id
    FROM unnest(p_payment_nos, p_detail_nos, v_ends, p_causes, p_actors, p_request_ids)
        AS i (payment_no, detail_no, ended, cause, actor, request_id)
    CROSS JOIN LATERAL (VALUES
        ('payment_order', i.payment_no, 'INIT', 'PAYING'),
        ('payment_detail', i.detail_no, 'INIT', CASE i.ended WHEN 'PAID' THEN 'DONE' ELSE 'FAILED' END),
        ('payment_order', i.payment_no, 'PAYING', i.ended)
    ) AS m (machine, object_no, from_status, to_status);
    RETURN v_ends;
END
$$;

-- Post the journal of each of these payments: PAID, or FAILED where the payer has too little. Payers' balances are
-- locked by their numbers, so that two calls do not wait for each other.
CREATE OR REPLACE FUNCTION engine_post_balances(
    p_payment_nos text[], p_merchant_nos text[], p_payer_nos text[], p_amounts bigint[], p_currencies text[],
    p_fees bigint[], p_journal_nos text[], p_time_zone text
) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    payer text;
    merchant text;
    posted text;
    v_ends text[] := p_payment_nos;
BEGIN
    FOR i IN 1 .. cardinality(p_payment_nos) LOOP
        payer := 'L10:' || p_payer_nos[i] || ':' || p_currencies[i];
        merchant := 'L20:' || p_merchant_nos[i] || ':' || p_currencies[i];
        IF p_fees[i] > 0 THEN
            posted := ledger_post(p_journal_nos[i], 'payment_paid', p_payment_nos[i], today, p_currencies[i],
                ARRAY[payer, merchant], ARRAY[merchant, 'I10:platform:' || p_currencies[i]],
                ARRAY[p_amounts[i], p_fees[i]]);
        ELSE
            posted := ledger_post(p_journal_nos[i], 'payment_paid', p_payment_nos[i], today, p_currencies[i],
                ARRAY[payer], ARRAY[merchant], ARRAY[p_amounts[i]]);
        END IF;
        v_ends[i] := CASE WHEN posted IS NULL THEN 'FAILED' ELSE 'PAID' END;
    END LOOP;
    RETURN v_ends;
END
$$;
