-- Settlement 结算: which facts of the ledger wait for their release.

-- Write down the next facts that made a merchant's money pending, at most p_limit, and return the transaction id up to
-- which all of them are written down now. The caller holds the lock of the settlement account. A fact is written once,
-- however often it is met.
CREATE OR REPLACE FUNCTION acquiring_collect_pending(p_account_id bigint, p_limit integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    a acquiring_settlement_account;
    bound bigint;
BEGIN
    SELECT * INTO a FROM acquiring_settlement_account WHERE id = p_account_id;
    bound := engine_pending_bound(a.merchant_no, a.currency, a.collected_xact, p_limit);
    INSERT INTO acquiring_settlement_item
        (journal_no, merchant_no, currency, kind, event_id, order_no, payment_no, amount, fee_amount, accounting_date)
    SELECT f.journal_no, a.merchant_no, a.currency, f.kind, f.event_id, f.order_no, f.payment_no, f.amount, f.fee,
        f.accounting_date
    FROM engine_pending_facts(a.merchant_no, a.currency, a.collected_xact, bound) AS f
    ON CONFLICT (journal_no) DO NOTHING;
    UPDATE acquiring_settlement_account SET collected_xact = bound WHERE id = p_account_id;
    RETURN bound;
END
$$;

-- Facts of a merchant that are due: dated p_cutoff or earlier, not released, not held, after the last one looked at.
CREATE OR REPLACE FUNCTION acquiring_due_items(
    p_merchant_no text, p_currency text, p_cutoff date, p_after_date date, p_after_no text, p_limit integer
) RETURNS SETOF acquiring_settlement_item
LANGUAGE sql STABLE AS $$
    SELECT i.* FROM acquiring_settlement_item AS i
    WHERE i.merchant_no = p_merchant_no AND i.currency = p_currency AND i.batch_no IS NULL
      AND i.accounting_date <= p_cutoff AND (i.accounting_date, i.journal_no) > (p_after_date, p_after_no)
      AND NOT EXISTS (SELECT 1 FROM acquiring_settlement_hold AS h
                      WHERE h.merchant_no = p_merchant_no AND h.status = 'ACTIVE'
                        AND (h.order_no IS NULL OR h.order_no = i.order_no))
    ORDER BY i.accounting_date, i.journal_no
    LIMIT p_limit
$$;

-- What items claim now, their orders locked: the payment's claim for payments and failed refunds (with what was
-- released of it before), the fact itself for the rest.
CREATE OR REPLACE FUNCTION acquiring_item_claims(p_journal_nos text[])
RETURNS TABLE (
    journal_no text, kind text, payment_no text, amount bigint, fee bigint, refunded bigint, returned_fee bigint,
    released bigint, was_released boolean
)
LANGUAGE sql STABLE AS $$
    WITH item AS (
        SELECT i.* FROM acquiring_settlement_item AS i WHERE i.journal_no = ANY (p_journal_nos)
    ), claim AS (
        SELECT c.* FROM engine_payment_claims(ARRAY(
            SELECT DISTINCT i.payment_no FROM item AS i WHERE i.kind IN ('PAYMENT', 'REFUND_FAILED'))) AS c
    )
    SELECT i.journal_no, i.kind, i.payment_no, COALESCE(c.amount, i.amount), COALESCE(c.fee, i.fee_amount),
        COALESCE(c.refunded, 0), COALESCE(c.returned_fee, 0), COALESCE(e.released, 0)::bigint,
        COALESCE(e.was_released, false)
    FROM item AS i
    LEFT JOIN claim AS c ON c.payment_no = i.payment_no AND i.kind IN ('PAYMENT', 'REFUND_FAILED')
    LEFT JOIN LATERAL (
        SELECT sum(e.released_amount) AS released, bool_or(e.kind = 'PAYMENT') AS was_released
        FROM acquiring_settlement_item AS e
        WHERE c.payment_no IS NOT NULL AND e.order_no = i.order_no AND e.payment_no = i.payment_no
          AND e.kind IN ('PAYMENT', 'REFUND_FAILED') AND e.batch_no IS NOT NULL) AS e ON true
    ORDER BY i.accounting_date, i.journal_no
$$;
