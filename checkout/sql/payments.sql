-- Acceptance 受理: what the top floor reads and conducts for a payment. Locks go from the top of the house down.

-- Everything that accepting a payment must know, in one round trip: the order and, when a token came, the agreement.
CREATE OR REPLACE FUNCTION checkout_read_payable(
    p_order_no text, p_key_id text, p_merchant_no text, p_token_hash text
) RETURNS TABLE (
    order_no text, merchant_no text, status text, closing boolean, expired boolean, amount bigint, currency text,
    subject text, metadata jsonb, allowed_methods jsonb, payment_no text, return_url text,
    expires_at timestamptz, fee_rate_ppm integer, cashier_token text, payee text, payer_ref text,
    agreement_no text, payer_no text, max_per_payment bigint
)
LANGUAGE sql STABLE AS $$
    SELECT o.*, a.agreement_no, a.payer_id, a.max_per_payment
    FROM acquiring_payable_order(p_order_no, p_key_id, p_merchant_no) o
    LEFT JOIN checkout_payer_agreement a
      ON a.token_hash = p_token_hash AND a.merchant_no = o.merchant_no AND a.currency = o.currency
     AND a.revoked_at IS NULL
$$;

-- Pay one order from the payer's balance: agreement, order, payment, ledger, in that order of locks.
-- Returns PAID, or FAILED when the balance is too small (the order is then open for another try).
CREATE OR REPLACE FUNCTION checkout_pay_from_balance(
    p_order_no text, p_merchant_no text, p_payment_no text, p_detail_no text, p_journal_no text,
    p_event_id text, p_delivery_no text, p_payer_no text, p_agreement_no text,
    p_amount bigint, p_currency text, p_fee bigint, p_options_digest text, p_time_zone text, p_base_url text,
    p_cause text, p_actor text, p_request_id text
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    today date;
    ended text;
BEGIN
    IF p_agreement_no IS NOT NULL THEN
        today := (platform_now() AT TIME ZONE p_time_zone)::date;
        UPDATE checkout_payer_agreement
        SET spent_amount = CASE WHEN spent_date = today THEN spent_amount ELSE 0 END + p_amount, spent_date = today
        WHERE agreement_no = p_agreement_no AND revoked_at IS NULL AND payer_id = p_payer_no
          AND p_amount <= max_per_payment
          AND CASE WHEN spent_date = today THEN spent_amount ELSE 0 END + p_amount <= max_per_day;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = 'payer_token_invalid',
                DETAIL = 'The agreement was revoked, or the amount is over one of its limits.';
        END IF;
    END IF;
    ended := acquiring_pay_from_balance(
        p_order_no, p_merchant_no, p_payment_no, p_detail_no, p_journal_no, p_event_id, p_delivery_no,
        p_payer_no, p_amount, p_currency, p_fee, p_options_digest, p_time_zone, p_base_url,
        p_cause, p_actor, p_request_id);
    IF ended = 'FAILED' AND p_agreement_no IS NOT NULL THEN
        UPDATE checkout_payer_agreement SET spent_amount = spent_amount - p_amount
        WHERE agreement_no = p_agreement_no;
    END IF;
    RETURN ended;
END
$$;
