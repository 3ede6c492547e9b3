-- Posting journals 记账: the one door through which money moves.
--
-- The doors are SECURITY DEFINER with a fixed search_path: nothing that the caller created can shadow a name in them.
-- Types carry their schema all the same. What stands behind the doors is SECURITY INVOKER: called by the
-- application itself it can write nothing.

-- What a journal does to each account that has to be locked: payer balances, and floored accounts that are
-- spent from. `p_ids` are the accounts of p_debits || p_credits, NULL where not opened yet.
CREATE OR REPLACE FUNCTION public.ledger_journal_effects(
        p_debits text[], p_credits text[], p_ids bigint[], p_amounts bigint[], p_spend boolean[], p_holds text[])
    RETURNS TABLE (account_id bigint, code text, is_payer boolean, net bigint, captured bigint)
    LANGUAGE sql IMMUTABLE AS $$
    SELECT s.id, s.code, left(s.code, 3) = 'L10',
           sum(s.change)::bigint, sum(s.captured)::bigint
      FROM (SELECT p_ids[i] AS id, p_debits[i] AS code, -p_amounts[i] AS change,
                   CASE WHEN p_holds[i] IS NULL THEN 0 ELSE p_amounts[i] END AS captured,
                   COALESCE(p_spend[i], false) AS spends
              FROM generate_subscripts(p_amounts, 1) AS i
            UNION ALL
            SELECT p_ids[cardinality(p_amounts) + i], p_credits[i], p_amounts[i], 0, false
              FROM generate_subscripts(p_amounts, 1) AS i) AS s
     GROUP BY s.id, s.code
    HAVING left(s.code, 3) = 'L10'
        OR (bool_or(s.spends) AND left(s.code, 3) IN ('L20', 'L21', 'L22', 'L30', 'L90'))
     ORDER BY s.id
$$;

-- The number of the journal posted for this event, NULL when there is none. Other postings for the same event
-- are a broken invariant, not a conflict.
CREATE OR REPLACE FUNCTION public.ledger_first_journal(p_event_type text, p_event_id text, p_digest uuid)
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_journal_no pg_catalog.text;
    v_digest pg_catalog.uuid;
BEGIN
    SELECT j.journal_no, j.digest INTO v_journal_no, v_digest
      FROM public.ledger_journal AS j
     WHERE j.event_type = p_event_type AND j.event_id = p_event_id;
    IF v_digest <> p_digest THEN
        RAISE EXCEPTION 'event % % was posted with other postings', p_event_type, p_event_id
            USING ERRCODE = 'PC900', DETAIL = v_journal_no;
    END IF;
    RETURN v_journal_no;
END;
$$;

-- Refuse holds that do not belong to the postings which capture them. The payers' balance rows are locked.
CREATE OR REPLACE FUNCTION public.ledger_check_holds(p_ids bigint[], p_amounts bigint[], p_holds text[])
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_hold pg_catalog.record;
BEGIN
    FOR v_hold IN
        SELECT c.hold_no, h.status,
               h.amount = c.amount AND h.account_id = c.account_id AND c.accounts = 1 AS agrees
          FROM (SELECT p_holds[i] AS hold_no, sum(p_amounts[i]) AS amount,
                       min(p_ids[i]) AS account_id, count(DISTINCT p_ids[i]) AS accounts
                  FROM generate_subscripts(p_amounts, 1) AS i
                 WHERE p_holds[i] IS NOT NULL
                 GROUP BY p_holds[i]) AS c
          LEFT JOIN public.ledger_hold AS h ON h.hold_no = c.hold_no
    LOOP
        IF v_hold.status IS NULL THEN
            RAISE EXCEPTION 'hold_not_found' USING ERRCODE = 'PC400', DETAIL = v_hold.hold_no;
        ELSIF v_hold.agrees IS NOT TRUE THEN
            RAISE EXCEPTION 'hold % is for another account or amount', v_hold.hold_no USING ERRCODE = 'PC900';
        ELSIF v_hold.status <> 'OPEN' THEN
            RAISE EXCEPTION 'hold_not_open' USING ERRCODE = 'PC400', DETAIL = v_hold.hold_no;
        END IF;
    END LOOP;
END;
$$;

-- Lock what a journal needs, in the order of account ids, then judge it: 'POSTED' (its event was, meanwhile),
-- 'SHORT' (a payer or a spent account lacks money) or 'FUNDED'. Writes nothing but a roll-up that lags.
CREATE OR REPLACE FUNCTION public.ledger_check_funds(
        p_event_type text, p_event_id text, p_debits text[], p_credits text[], p_ids bigint[],
        p_amounts bigint[], p_spend boolean[], p_holds text[])
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_effect pg_catalog.record;
    v_funded boolean;
BEGIN
    -- A snapshot older than the lock would not see what the last spender posted.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'spending needs READ COMMITTED' USING ERRCODE = 'PC900';
    END IF;
    FOR v_effect IN
        SELECT e.account_id, e.is_payer
          FROM public.ledger_journal_effects(p_debits, p_credits, p_ids, p_amounts, p_spend, p_holds) AS e
         WHERE e.account_id IS NOT NULL ORDER BY e.account_id
    LOOP
        IF v_effect.is_payer THEN
            PERFORM 1 FROM public.ledger_payer_balance AS b
              WHERE b.account_id = v_effect.account_id FOR NO KEY UPDATE;
        ELSE
            PERFORM 1 FROM public.ledger_roll_up AS r
              WHERE r.account_id = v_effect.account_id FOR NO KEY UPDATE;
        END IF;
    END LOOP;
    -- From here each statement sees all that was committed before the locks were given.
    PERFORM 1 FROM public.ledger_journal AS j
      WHERE j.event_type = p_event_type AND j.event_id = p_event_id;
    IF FOUND THEN
        RETURN 'POSTED';
    END IF;
    PERFORM public.ledger_check_holds(p_ids, p_amounts, p_holds);
    FOR v_effect IN
        SELECT * FROM public.ledger_journal_effects(p_debits, p_credits, p_ids, p_amounts, p_spend, p_holds)
    LOOP
        IF v_effect.account_id IS NULL THEN
            v_funded := v_effect.net >= 0;
        ELSIF v_effect.is_payer THEN
            SELECT b.balance + v_effect.net >= b.held - v_effect.captured INTO v_funded
              FROM public.ledger_payer_balance AS b WHERE b.account_id = v_effect.account_id;
        ELSE
            v_funded := public.ledger_spendable_balance(v_effect.account_id) + v_effect.net >= 0;
        END IF;
        IF v_funded IS NOT TRUE THEN
            RETURN 'SHORT';
        END IF;
    END LOOP;
    RETURN 'FUNDED';
END;
$$;

-- The balance of a floored account whose roll-up row the caller locked in an earlier statement. A tail of more
-- than 1 000 postings is rolled up on the way, under that lock, unless nothing of it is certainly over.
CREATE OR REPLACE FUNCTION public.ledger_spendable_balance(p_account_id bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_balance bigint;
    v_tail bigint;
    v_horizon pg_catalog.xid8;
BEGIN
    SELECT r.balance + a.credit_sign * (c.total - d.total), c.postings + d.postings, r.horizon
      INTO v_balance, v_tail, v_horizon
      FROM public.ledger_roll_up AS r
      JOIN public.ledger_account AS a ON a.id = r.account_id
     CROSS JOIN LATERAL (
           SELECT COALESCE(sum(p.amount), 0) AS total, count(*) AS postings
             FROM public.ledger_posting AS p
            WHERE p.credit_account_id = r.account_id AND p.xact_id >= r.horizon) AS c
     CROSS JOIN LATERAL (
           SELECT COALESCE(sum(p.amount), 0) AS total, count(*) AS postings
             FROM public.ledger_posting AS p
            WHERE p.debit_account_id = r.account_id AND p.xact_id >= r.horizon) AS d
     WHERE r.account_id = p_account_id;
    IF v_tail > 1000 AND v_horizon < pg_snapshot_xmin(pg_current_snapshot()) THEN
        PERFORM public.ledger_advance_roll_up(p_account_id);
    END IF;
    RETURN v_balance;
END;
$$;

-- Whether all that a journal spends was put there by this very transaction: refunds on their way (L30) that arrive at
-- once. Nobody else sees the one without the other, so such an account ends no lower than it was, and needs no lock.
CREATE OR REPLACE FUNCTION public.ledger_spends_own(
        p_debits text[], p_ids bigint[], p_amounts bigint[], p_spend boolean[])
    RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_own constant pg_catalog.xid8 := pg_current_xact_id_if_assigned();
    v_left bigint;
BEGIN
    FOR i IN 1 .. cardinality(p_amounts) LOOP
        IF p_spend[i] THEN
            IF left(p_debits[i], 3) <> 'L30' OR v_own IS NULL THEN
                RETURN false;
            END IF;
            SELECT COALESCE((SELECT sum(p.amount) FROM public.ledger_posting AS p
                              WHERE p.credit_account_id = p_ids[i] AND p.xact_id = v_own), 0)
                 - COALESCE((SELECT sum(p.amount) FROM public.ledger_posting AS p
                              WHERE p.debit_account_id = p_ids[i] AND p.xact_id = v_own), 0) INTO v_left;
            FOR k IN 1 .. cardinality(p_amounts) LOOP
                IF p_debits[k] = p_debits[i] THEN v_left := v_left - p_amounts[k]; END IF;
            END LOOP;
            IF v_left < 0 THEN
                RETURN false;
            END IF;
        END IF;
    END LOOP;
    RETURN true;
END;
$$;

-- Apply a journal to the payers' balances and resolve its holds; p_sign -1 takes the balances back.
CREATE OR REPLACE FUNCTION public.ledger_move_balances(
        p_journal_no text, p_sign integer, p_debits text[], p_credits text[], p_ids bigint[],
        p_amounts bigint[], p_holds text[])
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.ledger_payer_balance AS b
       SET balance = b.balance + p_sign * e.net, held = b.held - p_sign * e.captured
      FROM public.ledger_journal_effects(p_debits, p_credits, p_ids, p_amounts, NULL, p_holds) AS e
     WHERE e.is_payer AND b.account_id = e.account_id;
    IF p_sign > 0 AND p_holds IS NOT NULL THEN
        UPDATE public.ledger_hold AS h
           SET status = 'CAPTURED', resolved_at = public.platform_now(), journal_no = p_journal_no
         WHERE h.hold_no = ANY (p_holds) AND h.status = 'OPEN';
        PERFORM public.ledger_record_move(c.hold_no, 'OPEN', 'CAPTURED', p_journal_no)
           FROM (SELECT DISTINCT u.hold_no FROM unnest(p_holds) AS u(hold_no)
                  WHERE u.hold_no IS NOT NULL) AS c;
    END IF;
END;
$$;

-- Refuse a reversal that is not the exact mirror of the journal it names.
CREATE OR REPLACE FUNCTION public.ledger_check_mirror(
        p_reverses text, p_debits text[], p_credits text[], p_amounts bigint[])
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM (
        SELECT p.line_no, c.code AS debit, d.code AS credit, p.amount
          FROM public.ledger_posting AS p
          JOIN public.ledger_account AS d ON d.id = p.debit_account_id
          JOIN public.ledger_account AS c ON c.id = p.credit_account_id
         WHERE p.journal_no = p_reverses) AS mirror
      FULL JOIN (
        SELECT u.debit, u.credit, u.amount, u.line_no
          FROM ROWS FROM (unnest(p_debits), unnest(p_credits), unnest(p_amounts))
               WITH ORDINALITY AS u(debit, credit, amount, line_no)) AS given
        ON (given.line_no, given.debit, given.credit, given.amount)
         = (mirror.line_no, mirror.debit, mirror.credit, mirror.amount)
     WHERE given.line_no IS NULL OR mirror.line_no IS NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'not the mirror of journal %', p_reverses USING ERRCODE = 'PC900';
    END IF;
END;
$$;

-- The accounts' ids in the order of their codes, NULL where not opened yet. One look-up after the other: their plan
-- is made once, while a query over the array would be planned anew in every payment.
CREATE OR REPLACE FUNCTION public.ledger_find_accounts(p_codes text[]) RETURNS bigint[]
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_ids bigint[] := '{}';
    v_id bigint;
    v_earlier integer;
BEGIN
    FOR i IN 1 .. cardinality(p_codes) LOOP
        v_earlier := array_position(p_codes, p_codes[i]);
        IF v_earlier < i THEN
            v_ids[i] := v_ids[v_earlier];
        ELSE
            SELECT a.id INTO v_id FROM public.ledger_account AS a WHERE a.code = p_codes[i];
            v_ids[i] := v_id;
        END IF;
    END LOOP;
    RETURN v_ids;
END;
$$;

-- Post one journal; see ledger/README.md for the rules.
--
-- Returns the journal's number: the FIRST one when the event was posted before. NULL when a payer, or a floored
-- account debited with p_spend, lacks money; nothing is written then. Other postings for a known event,
-- unbalanced arrays, foreign currencies and an unguarded debit of a floored account raise PC900.
--
-- The payment of every day (one payer or none, all accounts open, no hold, no spending but of its own) takes the short way:
-- look up the accounts, one conditional UPDATE of the payer, the INSERTs of journal and postings. The payer comes
-- first, so that a lack of money has written nothing. There is no exception block (it would cost a
-- subtransaction): two calls for one event meet at the payer's row or at the unique event, and the second
-- gives back what it took.
CREATE OR REPLACE FUNCTION public.ledger_post(
        p_journal_no text, p_event_type text, p_event_id text, p_accounting_date date, p_currency text,
        p_debits text[], p_credits text[], p_amounts bigint[],
        p_spend boolean[] DEFAULT NULL, p_holds text[] DEFAULT NULL, p_reverses text DEFAULT NULL)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_count constant integer := COALESCE(cardinality(p_amounts), 0);
    v_suffix constant pg_catalog.text := ':' || p_currency;
    v_digest constant pg_catalog.uuid := md5(concat_ws(
        '|', p_currency, p_reverses, p_debits, p_credits, p_amounts));
    v_ids bigint[];
    v_guarded boolean := p_holds IS NOT NULL;
    v_spends boolean := false;
    v_payer pg_catalog.text;
    v_payer_at integer;
    v_net bigint := 0;
    v_floor bigint;
    v_debit pg_catalog.text;
    v_credit pg_catalog.text;
    v_verdict pg_catalog.text;
BEGIN
    IF v_count = 0 OR cardinality(p_debits) <> v_count OR cardinality(p_credits) <> v_count THEN
        RAISE EXCEPTION 'a journal needs as many debits, credits and amounts' USING ERRCODE = 'PC900';
    END IF;
    -- Subscripts must mean the same everywhere: a hold or a spend that no posting names would slip past its check.
    IF array_dims(p_debits) <> array_dims(p_amounts) OR array_dims(p_credits) <> array_dims(p_amounts)
            OR array_dims(p_amounts) <> '[1:' || v_count || ']'
            OR array_dims(p_spend) <> array_dims(p_amounts) OR cardinality(p_spend) = 0
            OR array_dims(p_holds) <> array_dims(p_amounts) OR cardinality(p_holds) = 0
            OR NOT isfinite(p_accounting_date) THEN
        RAISE EXCEPTION 'a journal needs plain arrays of one length and a real date' USING ERRCODE = 'PC900';
    END IF;
    FOR i IN 1 .. v_count LOOP
        v_debit := p_debits[i];
        v_credit := p_credits[i];
        IF (p_amounts[i] BETWEEN 1 AND 1000000000000000 AND v_debit <> v_credit AND right(v_debit, 4) = v_suffix
                AND right(v_credit, 4) = v_suffix) IS NOT TRUE THEN
            RAISE EXCEPTION 'posting % is not a possible amount between two % accounts', i, p_currency
                USING ERRCODE = 'PC900';
        END IF;
        IF left(v_debit, 3) = 'L10' THEN
            IF v_payer IS NULL THEN
                v_payer := v_debit;
                v_payer_at := i;
            ELSIF v_payer <> v_debit THEN
                v_guarded := true;
            END IF;
            v_net := v_net - p_amounts[i];
        ELSIF left(v_debit, 3) IN ('L20', 'L21', 'L22', 'L30', 'L90') THEN
            IF p_spend[i] THEN
                v_spends := true;
            ELSIF left(v_debit, 3) <> 'L21' OR left(v_credit, 3) NOT IN ('A10', 'A90') THEN
                -- Without the lock a floored account may only be debited by a journal that gives it as much.
                -- Chargebacks and charged differences alone may take L21 below zero.
                v_floor := 0;
                FOR k IN 1 .. v_count LOOP
                    IF p_credits[k] = v_debit THEN v_floor := v_floor + p_amounts[k]; END IF;
                    IF p_debits[k] = v_debit THEN v_floor := v_floor - p_amounts[k]; END IF;
                END LOOP;
                IF v_floor < 0 THEN
                    IF NOT EXISTS (SELECT 1 FROM generate_series(1, v_count) AS k
                                    WHERE p_debits[k] = v_debit AND p_spend[k]) THEN
                        RAISE EXCEPTION 'unguarded debit of %', v_debit USING ERRCODE = 'PC900';
                    END IF;
                END IF;
            END IF;
        END IF;
        IF left(v_credit, 3) = 'L10' THEN
            IF v_payer IS NULL THEN
                v_payer := v_credit;
                v_payer_at := v_count + i;
            ELSIF v_payer <> v_credit THEN
                v_guarded := true;
            END IF;
            v_net := v_net + p_amounts[i];
        END IF;
    END LOOP;

    v_ids := public.ledger_find_accounts(p_debits || p_credits);
    IF p_reverses IS NOT NULL THEN
        PERFORM public.ledger_check_mirror(p_reverses, p_debits, p_credits, p_amounts);
    END IF;

    v_guarded := v_guarded OR array_position(v_ids, NULL) IS NOT NULL;
    IF v_spends AND NOT v_guarded THEN
        v_guarded := NOT public.ledger_spends_own(p_debits, v_ids, p_amounts, p_spend);
    END IF;
    IF v_guarded THEN
        v_verdict := public.ledger_check_funds(
            p_event_type, p_event_id, p_debits, p_credits, v_ids, p_amounts, p_spend, p_holds);
        IF v_verdict <> 'FUNDED' THEN
            RETURN public.ledger_first_journal(p_event_type, p_event_id, v_digest);
        END IF;
        IF array_position(v_ids, NULL) IS NOT NULL THEN
            PERFORM public.ledger_open_accounts(p_debits || p_credits);
            v_ids := public.ledger_find_accounts(p_debits || p_credits);
        END IF;
        PERFORM public.ledger_move_balances(
            p_journal_no, 1, p_debits, p_credits, v_ids, p_amounts, p_holds);
    ELSIF v_payer IS NOT NULL THEN
        UPDATE public.ledger_payer_balance AS b
           SET balance = b.balance + v_net
         WHERE b.account_id = v_ids[v_payer_at] AND b.balance + v_net >= b.held;
        IF NOT FOUND THEN
            RETURN public.ledger_first_journal(p_event_type, p_event_id, v_digest);
        END IF;
    END IF;

    INSERT INTO public.ledger_journal
           (journal_no, event_type, event_id, accounting_date, currency, reverses, digest)
    VALUES (p_journal_no, p_event_type, p_event_id, p_accounting_date, p_currency, p_reverses, v_digest)
    ON CONFLICT (event_type, event_id) DO NOTHING;
    IF FOUND THEN
        FOR i IN 1 .. v_count LOOP
            INSERT INTO public.ledger_posting
                   (journal_no, line_no, debit_account_id, credit_account_id, amount, currency)
            VALUES (p_journal_no, i, v_ids[i], v_ids[v_count + i], p_amounts[i], p_currency);
        END LOOP;
        RETURN p_journal_no;
    END IF;
    -- Somebody posted this event while we were on the way: take nothing twice.
    IF v_guarded THEN
        PERFORM public.ledger_move_balances(
            p_journal_no, -1, p_debits, p_credits, v_ids, p_amounts, p_holds);
    ELSIF v_payer IS NOT NULL THEN
        UPDATE public.ledger_payer_balance AS b
           SET balance = b.balance - v_net WHERE b.account_id = v_ids[v_payer_at];
    END IF;
    RETURN public.ledger_first_journal(p_event_type, p_event_id, v_digest);
END;
$$;
