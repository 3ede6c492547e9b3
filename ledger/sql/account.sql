-- Accounts 账户. Their codes are "<KIND>:<owner>:<CURRENCY>"; the chart is ledger/chart.py, and a test
-- proves that the constraint of ledger_account and this file agree with it.
--
-- Everything here is SECURITY INVOKER: inside ledger_post it runs as the owner, and called by the
-- application itself it can only read.

CREATE OR REPLACE FUNCTION public.ledger_open_accounts(p_codes text[]) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_bad pg_catalog.text;
BEGIN
    SELECT c.code INTO v_bad
      FROM unnest(p_codes) AS c(code)
     WHERE (c.code ~ '^(A10|A20|A90|L10|L20|L21|L22|L30|L90|I10|X10|X90|E10):[A-Za-z0-9_.-]{1,64}:[A-Z]{3}$')
           IS NOT TRUE
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'not an account code: %', v_bad USING ERRCODE = 'PC900';
    END IF;
    -- Sorted, so that two journals which open the same accounts wait for each other and never deadlock.
    WITH opened AS (
        INSERT INTO public.ledger_account (code, kind, owner, currency, credit_sign)
        SELECT c.code,
               split_part(c.code, ':', 1),
               split_part(c.code, ':', 2),
               split_part(c.code, ':', 3),
               CASE WHEN left(c.code, 1) IN ('A', 'X') THEN -1 ELSE 1 END
          FROM (SELECT DISTINCT u.code FROM unnest(p_codes) AS u(code)) AS c
         ORDER BY c.code
        ON CONFLICT (code) DO NOTHING
        RETURNING id, kind
    ), payer AS (
        INSERT INTO public.ledger_payer_balance (account_id, balance, held)
        SELECT o.id, 0, 0 FROM opened AS o WHERE o.kind = 'L10'
    )
    -- Horizon 0 and not the opener's own transaction: an older transaction may still post to it.
    INSERT INTO public.ledger_roll_up (account_id, balance, horizon)
    SELECT o.id, 0, '0'::pg_catalog.xid8 FROM opened AS o WHERE o.kind <> 'L10';
END;
$$;

-- The balance of one account, positive on its normal side; 0 for an account that was never opened.
-- One statement, so roll-up and tail belong to one snapshot.
CREATE OR REPLACE FUNCTION public.ledger_account_balance(p_code text) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
        SELECT CASE WHEN a.kind = 'L10' THEN
                   (SELECT b.balance FROM public.ledger_payer_balance AS b WHERE b.account_id = a.id)
               ELSE
                   (SELECT r.balance + a.credit_sign * (
                               COALESCE((SELECT sum(c.amount) FROM public.ledger_posting AS c
                                          WHERE c.credit_account_id = a.id AND c.xact_id >= r.horizon), 0)
                             - COALESCE((SELECT sum(d.amount) FROM public.ledger_posting AS d
                                          WHERE d.debit_account_id = a.id AND d.xact_id >= r.horizon), 0))
                      FROM public.ledger_roll_up AS r WHERE r.account_id = a.id)
               END
          FROM public.ledger_account AS a
         WHERE a.code = p_code), 0)::bigint
$$;
