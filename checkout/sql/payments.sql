-- Acceptance 受理: what the top floor reads and conducts for a payment. Locks go from the top of the house down.

-- Everything that accepting a payment must know, in one round trip: the order and, when a token came, the agreement.
DROP FUNCTION IF EXISTS checkout_read_payable(text, text, text, text);
CREATE FUNCTION checkout_read_payable(
    p_order_no text, p_key_id text, p_merchant_no text, p_token_hash text
) RETURNS TABLE (
    order_no text, merchant_no text, status text, closing boolean, expired boolean, amount bigint, currency text,
    subject text, metadata jsonb, allowed_methods jsonb, payment_no text, return_url text,
    expires_at timestamptz, fee_rate_ppm integer, fee_terms text, cashier_token text, payee text, payer_ref text,
    agreement_no text, payer_no text, max_per_payment bigint
)
LANGUAGE sql STABLE AS $$
    SELECT o.*, a.agreement_no, a.payer_id, a.max_per_payment
    FROM acquiring_payable_order(p_order_no, p_key_id, p_merchant_no) o
    LEFT JOIN checkout_payer_agreement a
      ON a.token_hash = p_token_hash AND a.merchant_no = o.merchant_no AND a.currency = o.currency
     AND a.revoked_at IS NULL
$$;

-- Pay orders from payers' balances, each for itself: agreements, orders, payments, ledger, in that order of locks.
-- Returns for each PAID, or FAILED where the balance is too small (the order is then open for another try). One that is
-- refused refuses them all with its reason: the caller then asks for each alone. No order and no payer is named twice.
-- p_patience_ms is how long to wait for a row that somebody holds, null for the session's own time.
CREATE OR REPLACE FUNCTION checkout_pay_from_balances(
    p_order_nos text[], p_merchant_nos text[], p_payment_nos text[], p_detail_nos text[], p_journal_nos text[],
    p_event_ids text[], p_delivery_nos text[], p_payer_nos text[], p_agreement_nos text[],
    p_amounts bigint[], p_currencies text[], p_fees bigint[], p_options_digests text[], p_causes text[],
    p_actors text[], p_request_ids text[], p_time_zone text, p_base_url text, p_patience_ms integer
) RETURNS text[]
LANGUAGE plpgsql
-- The tables grow from nothing within minutes and plans are kept: none of them may ever be a scan, of a table or of a
-- whole index. So every join with the arrays also says `= ANY`, which a plan made for an empty table looks up as well.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    v_ends text[];
    v_spent integer;
BEGIN
    IF p_patience_ms IS NOT NULL THEN
        PERFORM set_config('lock_timeout', p_patience_ms::text, true);
    END IF;
    UPDATE checkout_payer_agreement AS a
    SET spent_amount = CASE WHEN a.spent_date >= today THEN a.spent_amount ELSE 0 END + i.amount,
        -- Who began before midnight and waited for one of the new day counts toward that one: no day begins twice.
        spent_date = GREATEST(a.spent_date, today)
    FROM (
        SELECT * FROM unnest(p_agreement_nos, p_payer_nos, p_amounts) AS u (agreement_no, payer_no, amount)
        ORDER BY u.agreement_no
    ) AS i
    WHERE a.agreement_no = i.agreement_no AND a.agreement_no = ANY (p_agreement_nos)
      AND a.revoked_at IS NULL AND a.payer_id = i.payer_no
      AND i.amount <= a.max_per_payment
      AND CASE WHEN a.spent_date >= today THEN a.spent_amount ELSE 0 END + i.amount <= a.max_per_day;
    GET DIAGNOSTICS v_spent = ROW_COUNT;
    IF v_spent <> cardinality(array_remove(p_agreement_nos, NULL)) THEN
        RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = 'payer_token_invalid',
            DETAIL = 'The agreement was revoked, or the amount is over one of its limits.';
    END IF;
    v_ends := acquiring_pay_from_balances(
        p_order_nos, p_merchant_nos, p_payment_nos, p_detail_nos, p_journal_nos, p_event_ids, p_delivery_nos,
        p_payer_nos, p_amounts, p_currencies, p_fees, p_options_digests, p_time_zone, p_base_url,
        p_causes, p_actors, p_request_ids);
    IF 'FAILED' = ANY (v_ends) THEN
        UPDATE checkout_payer_agreement AS a SET spent_amount = a.spent_amount - i.amount
        FROM unnest(p_agreement_nos, p_amounts, v_ends) AS i (agreement_no, amount, ended)
        WHERE a.agreement_no = i.agreement_no AND a.agreement_no = ANY (p_agreement_nos) AND i.ended = 'FAILED';
    END IF;
    RETURN v_ends;
END
$$;
