-- Spending under an agreement 代扣额度 by payments that do not end at once. Locks: the agreement, then its uses.

-- Count a payment's part toward today's limit and remember it. False, having written nothing, when the agreement was
-- revoked, is not this payer's, or the part is over a limit. The caller goes on to lock the order. Who began before
-- midnight and comes after a payment of the new day counts toward that one: no day begins twice.
CREATE OR REPLACE FUNCTION checkout_reserve_spending(
    p_payment_no text, p_agreement_no text, p_payer_no text, p_amount bigint, p_time_zone text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    today constant date := (platform_now() AT TIME ZONE p_time_zone)::date;
    v_counted date;
BEGIN
    UPDATE checkout_payer_agreement
    SET spent_amount = CASE WHEN spent_date >= today THEN spent_amount ELSE 0 END + p_amount,
        spent_date = GREATEST(spent_date, today)
    WHERE agreement_no = p_agreement_no AND revoked_at IS NULL AND payer_id = p_payer_no
      AND p_amount <= max_per_payment
      AND CASE WHEN spent_date >= today THEN spent_amount ELSE 0 END + p_amount <= max_per_day
    RETURNING spent_date INTO v_counted;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO checkout_agreement_use (payment_no, agreement_id, amount, spent_date)
    VALUES (p_payment_no, p_agreement_no, p_amount, v_counted);
    RETURN true;
END
$$;

-- Give back what these payments had reserved; a second time changes nothing. Returns how much the day that the
-- agreement counts now has got back: a use of an earlier day is only noted.
CREATE OR REPLACE FUNCTION checkout_release_spending(p_agreement_no text, p_payment_nos text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    given_back bigint;
BEGIN
    PERFORM 1 FROM checkout_payer_agreement WHERE agreement_no = p_agreement_no FOR NO KEY UPDATE;
    WITH released AS (
        UPDATE checkout_agreement_use SET released_at = platform_now()
        WHERE agreement_id = p_agreement_no AND payment_no = ANY (p_payment_nos) AND released_at IS NULL
        RETURNING amount, spent_date
    )
    UPDATE checkout_payer_agreement AS a SET spent_amount = a.spent_amount - r.total
    FROM (SELECT spent_date, sum(amount)::bigint AS total FROM released GROUP BY spent_date) AS r
    WHERE a.agreement_no = p_agreement_no AND a.spent_date = r.spent_date
    RETURNING r.total INTO given_back;
    RETURN coalesce(given_back, 0);
END
$$;

-- What today's limit still leaves; 0 for a revoked agreement.
CREATE OR REPLACE FUNCTION checkout_room_today(p_agreement_no text, p_time_zone text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(
        max_per_day - CASE WHEN spent_date >= (platform_now() AT TIME ZONE p_time_zone)::date
                           THEN spent_amount ELSE 0 END), 0)
    FROM checkout_payer_agreement WHERE agreement_no = p_agreement_no AND revoked_at IS NULL
$$;
