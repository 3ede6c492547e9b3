-- Plain refunds 普通退款: of orders that were paid through one asset, and the channels' word that one was done. Each has the
-- rows and moves that engine/services/refunds.py and refund_outcomes.py would have made; whatever is not plain is left
-- as it was, for those modules to decide (docs/decisions/0040).

-- Judge refunds of locked orders; writes nothing. p_wishes is a list of engine/services/plain_refunds.py's PlainRefund;
-- the arrays are what the owner says of those that he found refundable: which of the list (from 1), the order, its
-- payment, the kind of the merchant's account that pays, whether the fee returns, and how many refunds there may be.
CREATE OR REPLACE FUNCTION engine_judge_plain_refunds(
    p_wishes jsonb, p_places bigint[], p_order_nos text[], p_payment_nos text[], p_sources text[],
    p_return_fee boolean[], p_most integer[]
) RETURNS engine_plain_refund[]
LANGUAGE plpgsql AS $$
DECLARE
    v_plain engine_plain_refund[];
BEGIN
    PERFORM FROM engine_payment_order p WHERE p.payment_no = ANY (p_payment_nos) ORDER BY p.payment_no FOR UPDATE;
    PERFORM FROM engine_payment_detail d WHERE d.payment_id = ANY (p_payment_nos) ORDER BY d.detail_no FOR UPDATE;
    SELECT array_agg(ROW(o.place, i.refund_no, i.merchant_refund_no, o.order_no, p.payment_no, d.detail_no,
        p.merchant_no, p.payer_no, i.amount, p.currency, i.reason, d.channel_code, a.attempt_no, a.channel_trade_no,
        o.source, CASE WHEN o.returns_fee THEN
            -- engine/refund_split.py: share_returned_fee
            least(p.fee_amount - e.fee, greatest(
                div(2::numeric * p.fee_amount * i.amount + p.amount, 2::numeric * p.amount),
                p.fee_amount - e.fee - (p.amount - e.amount - i.amount)))
        ELSE 0 END, i.first_try_s, i.accepted_no, i.done_no, i.cause, i.actor, i.request_id)::engine_plain_refund
        ORDER BY o.source, p.merchant_no, p.currency, o.order_no)
    INTO v_plain
    FROM unnest(p_places, p_order_nos, p_payment_nos, p_sources, p_return_fee, p_most)
        AS o (place, order_no, payment_no, source, returns_fee, most)
    JOIN ROWS FROM (jsonb_to_recordset(p_wishes) AS (
            refund_no text, merchant_refund_no text, amount bigint, reason text, channels text[], first_try_s integer,
            accepted_no text, done_no text, cause text, actor text, request_id text)
        ) WITH ORDINALITY AS i (refund_no, merchant_refund_no, amount, reason, channels, first_try_s, accepted_no,
            done_no, cause, actor, request_id, place) ON i.place = o.place
    JOIN engine_payment_order p ON p.payment_no = o.payment_no AND p.payment_no = ANY (p_payment_nos)
    JOIN engine_payment_detail d ON d.payment_id = p.payment_no AND d.payment_id = ANY (p_payment_nos)
    -- What is asked outside of these is not in them, so that no index of something else seems to fit.
    LEFT JOIN LATERAL (
        SELECT c.attempt_no, c.channel_trade_no, c.channel_code, c.status FROM engine_channel_attempt c
        WHERE c.detail_id = d.detail_no OFFSET 0
    ) AS a ON a.channel_code = d.channel_code AND a.status = 'SUCCEEDED'
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE r.counts) AS live,
            coalesce(sum(r.amount) FILTER (WHERE r.counts AND r.payment_no = p.payment_no), 0) AS amount,
            coalesce(sum(r.returned_fee) FILTER (WHERE r.counts AND r.payment_no = p.payment_no), 0) AS fee
        FROM (
            SELECT b.amount, b.returned_fee, b.payment_no, b.purpose = 'ORDER' AND b.status <> 'FAILED' AS counts
            FROM engine_refund b WHERE b.order_no = o.order_no
        ) AS r
    ) AS e
    WHERE d.status = 'DONE' AND i.amount <= d.amount - d.refunded_amount - d.refunding_amount AND e.live < o.most
      AND (d.channel_code IS NULL OR a.channel_code = ANY (i.channels))
      AND NOT EXISTS (SELECT FROM engine_payment_detail w WHERE w.payment_id = p.payment_no AND w.detail_no <> d.detail_no)
      AND NOT EXISTS (SELECT FROM engine_chargeback c WHERE c.order_no = o.order_no)
      AND NOT EXISTS (SELECT FROM engine_refund r
                      WHERE r.merchant_no = p.merchant_no AND r.merchant_refund_no = i.merchant_refund_no);
    RETURN v_plain;
END
$$;

-- Accept what is plain of these: write the refunds, reserve their money, and end those that go back to a balance.
-- Returns each with its status, PROCESSING or SUCCESS, for the owner to count. Raises insufficient_merchant_balance.
CREATE OR REPLACE FUNCTION engine_accept_plain_refunds(
    p_wishes jsonb, p_places bigint[], p_order_nos text[], p_payment_nos text[], p_sources text[],
    p_return_fee boolean[], p_most integer[], p_time_zone text
) RETURNS TABLE (place bigint, refund_no text, order_no text, amount bigint, status text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_plain constant engine_plain_refund[] := engine_judge_plain_refunds(
        p_wishes, p_places, p_order_nos, p_payment_nos, p_sources, p_return_fee, p_most);
    v_refund_nos constant text[] := ARRAY (SELECT s.refund_no FROM unnest(v_plain) AS s);
    v_detail_nos constant text[] := ARRAY (SELECT s.detail_no FROM unnest(v_plain) AS s);
    v_to_balances constant engine_plain_refund[] := ARRAY (
        SELECT s::engine_plain_refund FROM unnest(v_plain) AS s WHERE s.channel_code IS NULL);
BEGIN
    IF v_plain IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO engine_refund (
        refund_no, purpose, merchant_no, merchant_refund_no, order_no, payment_no, status, amount, external_amount,
        balance_amount, currency, reason, channel_code, attempt_no, channel_trade_no, payer_no, source, returned_fee,
        last_outcome, last_answer, next_try_at)
    SELECT s.refund_no, 'ORDER', s.merchant_no, s.merchant_refund_no, s.order_no, s.payment_no, 'INIT', s.amount,
        CASE WHEN s.channel_code IS NULL THEN 0 ELSE s.amount END,
        CASE WHEN s.channel_code IS NULL THEN s.amount ELSE 0 END,
        s.currency, s.reason, s.channel_code, s.attempt_no, s.channel_trade_no, s.payer_no, s.source, s.returned_fee,
        '', '', CASE WHEN s.channel_code IS NOT NULL THEN platform_now() + make_interval(secs => s.first_try_s) END
    FROM unnest(v_plain) AS s;
    UPDATE engine_refund AS r SET status = 'PROCESSING' WHERE r.refund_no = ANY (v_refund_nos) AND r.status = 'INIT';
    INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT 'refund', s.refund_no, 'INIT', 'PROCESSING', s.cause, s.actor, s.request_id FROM unnest(v_plain) AS s;
    UPDATE engine_payment_detail AS d SET refunding_amount = d.refunding_amount + s.amount
    FROM unnest(v_plain) AS s WHERE d.detail_no = s.detail_no AND d.detail_no = ANY (v_detail_nos);
    PERFORM engine_reserve_plain_refunds(v_plain, p_time_zone);
    PERFORM engine_end_plain_refunds(v_to_balances, p_time_zone);
    RETURN QUERY
    SELECT s.place, s.refund_no, s.order_no, s.amount,
        CASE WHEN s.channel_code IS NULL THEN 'SUCCESS' ELSE 'PROCESSING' END
    FROM unnest(v_plain) AS s;
END
$$;

-- Take the money of each out of its merchant's account, on its way. They come by these accounts, so that two calls lock
-- them in the same order.
CREATE OR REPLACE FUNCTION engine_reserve_plain_refunds(p_plain engine_plain_refund[], p_time_zone text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    s engine_plain_refund;
    merchant text;
    transit text;
    posted text;
BEGIN
    FOREACH s IN ARRAY p_plain LOOP
        merchant := s.source || ':' || s.merchant_no || ':' || s.currency;
        transit := 'L30:' || coalesce(s.channel_code, 'internal') || ':' || s.currency;
        IF s.returned_fee > 0 THEN
            posted := ledger_post(s.accepted_no, 'refund_accepted', s.refund_no, today, s.currency,
                ARRAY[merchant, 'I10:platform:' || s.currency], ARRAY[transit, merchant],
                ARRAY[s.amount, s.returned_fee], ARRAY[true, false]);
        ELSE
            posted := ledger_post(s.accepted_no, 'refund_accepted', s.refund_no, today, s.currency,
                ARRAY[merchant], ARRAY[transit], ARRAY[s.amount], ARRAY[true]);
        END IF;
        IF posted IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = 'insufficient_merchant_balance';
        END IF;
    END LOOP;
END
$$;

-- End locked refunds as done: they, their details' counters and the money, payer by payer as payments go.
CREATE OR REPLACE FUNCTION engine_end_plain_refunds(p_plain engine_plain_refund[], p_time_zone text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    v_refund_nos constant text[] := ARRAY (SELECT s.refund_no FROM unnest(p_plain) AS s);
    v_detail_nos constant text[] := ARRAY (SELECT s.detail_no FROM unnest(p_plain) AS s);
    s engine_plain_refund;
    posted text;
BEGIN
    UPDATE engine_refund AS r SET status = 'SUCCESS', succeeded_at = platform_now(), next_try_at = NULL,
        lease_token = NULL, leased_until = NULL
    WHERE r.refund_no = ANY (v_refund_nos) AND r.status = 'PROCESSING';
    INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT 'refund', i.refund_no, 'PROCESSING', 'SUCCESS', i.cause, i.actor, i.request_id FROM unnest(p_plain) AS i;
    UPDATE engine_payment_detail AS d
    SET refunding_amount = d.refunding_amount - i.amount, refunded_amount = d.refunded_amount + i.amount
    FROM unnest(p_plain) AS i WHERE d.detail_no = i.detail_no AND d.detail_no = ANY (v_detail_nos);
    FOR s IN SELECT * FROM unnest(p_plain) AS i ORDER BY i.payer_no COLLATE "C", i.currency, i.refund_no LOOP
        posted := ledger_post(s.done_no, 'refund_done', s.refund_no, today, s.currency,
            ARRAY['L30:' || coalesce(s.channel_code, 'internal') || ':' || s.currency],
            ARRAY[coalesce('A10:' || s.channel_code, 'L10:' || s.payer_no) || ':' || s.currency],
            ARRAY[s.amount], ARRAY[true]);
        IF posted IS NULL THEN
            RAISE EXCEPTION 'the journal of % was refused', s.refund_no USING ERRCODE = 'PC900';
        END IF;
    END LOOP;
END
$$;

-- End a refund whose channel says that it is done, if that is plain: of a locked order, wholly through the channel, over
-- the very amount, and no case about it waits for its end. Returns its amount, or null: nothing was written.
-- p_success is engine/services/plain_refunds.py's PlainRefundSuccess.
CREATE OR REPLACE FUNCTION engine_take_refund_success(p_success jsonb, p_time_zone text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    i record;
    r engine_refund;
    d engine_payment_detail;
    s engine_plain_refund;
BEGIN
    SELECT * INTO i FROM jsonb_to_record(p_success) AS w (
        refund_no text, channel_code text, amount bigint, currency text, last_answer text, done_no text, cause text,
        actor text, request_id text, calls jsonb, headers jsonb, body text);
    SELECT * INTO r FROM engine_refund WHERE refund_no = i.refund_no;
    PERFORM FROM engine_payment_order WHERE payment_no = r.payment_no FOR UPDATE;
    PERFORM FROM engine_payment_detail WHERE payment_id = r.payment_no ORDER BY detail_no FOR UPDATE;
    SELECT * INTO d FROM engine_payment_detail
    WHERE payment_id = r.payment_no AND channel_code = r.channel_code AND status = 'DONE';
    SELECT * INTO r FROM engine_refund WHERE refund_no = i.refund_no FOR UPDATE;
    IF (r.status = 'PROCESSING' AND r.purpose = 'ORDER' AND r.balance_amount = 0 AND r.amount = i.amount
            AND r.currency = i.currency AND r.channel_code = coalesce(i.channel_code, r.channel_code)
            AND d.detail_no IS NOT NULL) IS NOT TRUE
        OR EXISTS (SELECT FROM engine_case c WHERE c.object_no = r.refund_no AND c.resolved_at IS NULL)
    THEN
        RETURN NULL;
    END IF;
    UPDATE engine_refund SET last_outcome = 'SUCCEEDED', last_outcome_at = platform_now(), last_answer = i.last_answer
    WHERE refund_no = i.refund_no;
    s.refund_no := r.refund_no;
    s.detail_no := d.detail_no;
    s.amount := r.amount;
    s.currency := r.currency;
    s.channel_code := r.channel_code;
    s.done_no := i.done_no;
    s.cause := i.cause;
    s.actor := i.actor;
    s.request_id := i.request_id;
    PERFORM engine_end_plain_refunds(ARRAY[s], p_time_zone);
    IF i.body IS NOT NULL THEN
        INSERT INTO engine_channel_callback (channel_code, headers, body, result, note, refund_no)
        VALUES (i.channel_code, i.headers, decode(i.body, 'base64'), 'APPLIED', 'refunded', i.refund_no);
    END IF;
    -- As engine/services/calls.py keeps them.
    IF i.calls IS NOT NULL THEN
        INSERT INTO engine_channel_call (refund_no, order_no, channel_code, operation, answered_at, duration_ms, outcome,
            answer, cause, actor, request_id)
        SELECT r.refund_no, r.order_no, r.channel_code, c.operation, platform_now() - make_interval(secs => c.ago_s),
            c.duration_ms, c.outcome, c.answer, c.cause, c.actor, c.request_id
        FROM jsonb_to_recordset(i.calls) AS c (operation text, ago_s double precision, duration_ms integer, outcome text,
            answer text, cause text, actor text, request_id text);
    END IF;
    RETURN r.amount;
END
$$;
