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

-- A payment from the payer's balance alone: every row in its first state, then moved; the money in one journal.
-- False when the balance is too small; the payment is then FAILED and no money has moved.
CREATE OR REPLACE FUNCTION engine_pay_from_balance(
    p_payment_no text, p_detail_no text, p_order_no text, p_merchant_no text, p_payer_no text,
    p_amount bigint, p_currency text, p_fee bigint, p_journal_no text, p_options_digest text,
    p_time_zone text, p_cause text, p_actor text, p_request_id text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    payer_account text := 'L10:' || p_payer_no || ':' || p_currency;
    merchant_account text := 'L20:' || p_merchant_no || ':' || p_currency;
    fee_account text := 'I10:platform:' || p_currency;
    posted text;
BEGIN
    INSERT INTO engine_payment_order (
        payment_no, order_no, live_order_no, merchant_no, payer_no, amount, currency, method, fee_amount, options_digest)
    VALUES (p_payment_no, p_order_no, p_order_no, p_merchant_no, p_payer_no, p_amount, p_currency, 'BALANCE', p_fee,
        p_options_digest);
    INSERT INTO engine_payment_detail (detail_no, payment_id, method, amount, currency)
    VALUES (p_detail_no, p_payment_no, 'BALANCE', p_amount, p_currency);
    UPDATE engine_payment_order SET status = 'PAYING' WHERE payment_no = p_payment_no AND status = 'INIT';

    IF p_fee > 0 THEN
        posted := ledger_post(p_journal_no, 'payment_paid', p_payment_no,
            (platform_now() AT TIME ZONE p_time_zone)::date, p_currency,
            ARRAY[payer_account, merchant_account], ARRAY[merchant_account, fee_account],
            ARRAY[p_amount, p_fee]);
    ELSE
        posted := ledger_post(p_journal_no, 'payment_paid', p_payment_no,
            (platform_now() AT TIME ZONE p_time_zone)::date, p_currency,
            ARRAY[payer_account], ARRAY[merchant_account], ARRAY[p_amount]);
    END IF;

    IF posted IS NULL THEN
        UPDATE engine_payment_detail SET status = 'FAILED' WHERE detail_no = p_detail_no AND status = 'INIT';
        UPDATE engine_payment_order
        SET status = 'FAILED', failure_code = 'insufficient_balance', live_order_no = NULL
        WHERE payment_no = p_payment_no AND status = 'PAYING';
        INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id) VALUES
            ('payment_order', p_payment_no, 'INIT', 'PAYING', p_cause, p_actor, p_request_id),
            ('payment_detail', p_detail_no, 'INIT', 'FAILED', p_cause, p_actor, p_request_id),
            ('payment_order', p_payment_no, 'PAYING', 'FAILED', p_cause, p_actor, p_request_id);
        RETURN false;
    END IF;

    UPDATE engine_payment_detail SET status = 'DONE' WHERE detail_no = p_detail_no AND status = 'INIT';
    UPDATE engine_payment_order SET status = 'PAID', paid_at = platform_now(), live_order_no = NULL
    WHERE payment_no = p_payment_no AND status = 'PAYING';
    INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id) VALUES
        ('payment_order', p_payment_no, 'INIT', 'PAYING', p_cause, p_actor, p_request_id),
        ('payment_detail', p_detail_no, 'INIT', 'DONE', p_cause, p_actor, p_request_id),
        ('payment_order', p_payment_no, 'PAYING', 'PAID', p_cause, p_actor, p_request_id);
    RETURN true;
END
$$;
