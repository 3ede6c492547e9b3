-- Accounting days 会计日: closed one after the other, with the balance of every account that moved.

-- Close the next day that has journals, step by step, each step one call in a transaction of its own. p_limit_s seconds
-- must have passed since its end: longer than any transaction may take.
--   1 The day is marked: who wants to date a journal so is refused from now on ('MARKED').
--   2 All who have not seen the mark have lower transaction ids than the one that is written down now ('MARKED').
--   3 When all of those are over, and sealed, the day is closed ('CLOSED').
-- 'WAITING' is for a transaction or the seal, 'NOTHING' means that no day is to be closed now.
-- Only real time closes a day: an offset of the platform's clock must not close one that is still going on.
CREATE OR REPLACE FUNCTION public.ledger_close_day(p_time_zone text, p_limit_s integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_last date;
    v_day date;
    v_row public.ledger_day%ROWTYPE;
    v_sealed public.ledger_seal%ROWTYPE;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_close_day')) THEN
        RETURN 'WAITING';
    END IF;
    SELECT max(d.accounting_date) INTO v_last FROM public.ledger_day AS d WHERE d.closed_at IS NOT NULL;
    SELECT min(j.accounting_date) INTO v_day FROM public.ledger_journal AS j
     WHERE j.accounting_date > COALESCE(v_last, '-infinity');
    IF v_day IS NULL
       OR ((v_day + 1)::timestamp AT TIME ZONE p_time_zone) + make_interval(secs => p_limit_s)
          > LEAST(public.platform_now(), now()) THEN
        RETURN 'NOTHING';
    END IF;
    SELECT * INTO v_row FROM public.ledger_day AS d WHERE d.accounting_date = v_day;
    IF NOT FOUND THEN
        INSERT INTO public.ledger_day (accounting_date) VALUES (v_day);
        RETURN 'MARKED';
    END IF;
    IF v_row.cut_xact IS NULL THEN
        UPDATE public.ledger_day AS d SET cut_xact = pg_snapshot_xmax(pg_current_snapshot())
         WHERE d.accounting_date = v_day;
        RETURN 'MARKED';
    END IF;
    SELECT * INTO v_sealed FROM public.ledger_seal AS s ORDER BY s.block_no DESC LIMIT 1;
    IF pg_snapshot_xmin(pg_current_snapshot()) < v_row.cut_xact
       OR (v_sealed.to_xact >= v_row.cut_xact) IS NOT TRUE THEN
        RETURN 'WAITING';
    END IF;
    WITH day_posting AS MATERIALIZED (
        SELECT p.debit_account_id, p.credit_account_id, p.amount, p.xact_id, p.journal_no
          FROM public.ledger_journal AS j
          JOIN public.ledger_posting AS p ON p.journal_no = j.journal_no
         WHERE j.accounting_date = v_day
    ), booked AS (
        INSERT INTO public.ledger_daily_balance (account_id, accounting_date, debits, credits, balance)
        SELECT m.account_id, v_day, m.debits, m.credits,
               COALESCE(b.balance, 0) + a.credit_sign * (m.credits - m.debits)
          FROM (SELECT s.account_id, sum(s.debit)::bigint AS debits, sum(s.credit)::bigint AS credits
                  FROM (SELECT t.debit_account_id AS account_id, t.amount AS debit, 0 AS credit FROM day_posting AS t
                        UNION ALL
                        SELECT t.credit_account_id, 0, t.amount FROM day_posting AS t) AS s
                 GROUP BY s.account_id) AS m
          JOIN public.ledger_account AS a ON a.id = m.account_id
          LEFT JOIN LATERAL (SELECT e.balance FROM public.ledger_daily_balance AS e
                              WHERE e.account_id = m.account_id AND e.accounting_date < v_day
                              ORDER BY e.accounting_date DESC LIMIT 1) AS b ON true
    )
    UPDATE public.ledger_day AS d
       SET closed_at = public.platform_now(), first_xact = t.first_xact, last_xact = t.last_xact,
           journal_count = t.journals, posting_count = t.postings, anchor = v_sealed.hash
      FROM (SELECT min(t.xact_id) AS first_xact, max(t.xact_id) AS last_xact, count(*) AS postings,
                   count(DISTINCT t.journal_no) AS journals FROM day_posting AS t) AS t
     WHERE d.accounting_date = v_day;
    RETURN 'CLOSED';
END;
$$;

-- Set one account's stored balance to what its postings and holds say. True when that changed something.
-- Payers: under the lock of the balance row. All others: the roll-up starts anew from nothing.
CREATE OR REPLACE FUNCTION public.ledger_rebuild_balance(p_account_id bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_balance bigint;
    v_held bigint;
    v_before public.ledger_roll_up%ROWTYPE;
    v_after public.ledger_roll_up%ROWTYPE;
BEGIN
    PERFORM 1 FROM public.ledger_payer_balance AS b WHERE b.account_id = p_account_id FOR NO KEY UPDATE;
    IF FOUND THEN
        -- A statement of its own: it sees all that was committed before the lock was given.
        SELECT COALESCE((SELECT sum(c.amount) FROM public.ledger_posting AS c
                          WHERE c.credit_account_id = p_account_id), 0)
             - COALESCE((SELECT sum(d.amount) FROM public.ledger_posting AS d
                          WHERE d.debit_account_id = p_account_id), 0),
               COALESCE((SELECT sum(h.amount) FROM public.ledger_hold AS h
                          WHERE h.account_id = p_account_id AND h.status = 'OPEN'), 0)
          INTO v_balance, v_held;
        UPDATE public.ledger_payer_balance AS b SET balance = v_balance, held = v_held
         WHERE b.account_id = p_account_id AND (b.balance, b.held) <> (v_balance, v_held);
        RETURN FOUND;
    END IF;
    SELECT * INTO v_before FROM public.ledger_roll_up AS r
     WHERE r.account_id = p_account_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT COALESCE((SELECT sum(c.amount) FROM public.ledger_posting AS c
                      WHERE c.credit_account_id = p_account_id AND c.xact_id < v_before.horizon), 0)
         - COALESCE((SELECT sum(d.amount) FROM public.ledger_posting AS d
                      WHERE d.debit_account_id = p_account_id AND d.xact_id < v_before.horizon), 0)
      INTO v_balance;
    SELECT a.credit_sign * v_balance INTO v_balance FROM public.ledger_account AS a WHERE a.id = p_account_id;
    IF v_balance = v_before.balance AND v_before.horizon <= pg_snapshot_xmax(pg_current_snapshot()) THEN
        RETURN false;
    END IF;
    UPDATE public.ledger_roll_up AS r SET balance = 0, horizon = '0' WHERE r.account_id = p_account_id;
    LOOP
        PERFORM public.ledger_advance_roll_up(p_account_id);
        SELECT * INTO v_after FROM public.ledger_roll_up AS r WHERE r.account_id = p_account_id;
        EXIT WHEN v_after.horizon = v_before.horizon;
        v_before.horizon := v_after.horizon;
    END LOOP;
    RETURN true;
END;
$$;
