-- Roll-ups 余额汇总: the balance of a hot account is its roll-up plus the tail of postings behind it.
--
-- The horizon is the snapshot's xmin: every transaction below it is over, so nothing can appear below it
-- later. With xmax a transaction that is still running would be stepped over and its postings lost; with
-- the lock and the sum in ONE statement the sum would use the snapshot from before the wait. Both wrong
-- forms are kept as tests (tests/ledger/test_roll_up_controls.py).

-- Bring one account's roll-up forward. The caller holds the lock of its row from an EARLIER statement.
-- At most 200 000 postings a side are taken at a time: any horizon up to xmin is a true one.
CREATE OR REPLACE FUNCTION public.ledger_advance_roll_up(p_account_id bigint) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_from pg_catalog.xid8;
    v_to pg_catalog.xid8;
    v_bound pg_catalog.xid8;
BEGIN
    SELECT r.horizon, pg_snapshot_xmin(pg_current_snapshot())
      INTO v_from, v_to
      FROM public.ledger_roll_up AS r WHERE r.account_id = p_account_id;
    SELECT LEAST(
        (SELECT c.xact_id FROM public.ledger_posting AS c
          WHERE c.credit_account_id = p_account_id AND c.xact_id >= v_from
          ORDER BY c.xact_id OFFSET 200000 LIMIT 1),
        (SELECT d.xact_id FROM public.ledger_posting AS d
          WHERE d.debit_account_id = p_account_id AND d.xact_id >= v_from
          ORDER BY d.xact_id OFFSET 200000 LIMIT 1)) INTO v_bound;
    IF v_bound > v_from AND v_bound < v_to THEN
        v_to := v_bound;
    END IF;
    UPDATE public.ledger_roll_up AS r
       SET balance = r.balance + a.credit_sign * (
               COALESCE((SELECT sum(c.amount) FROM public.ledger_posting AS c
                          WHERE c.credit_account_id = r.account_id
                            AND c.xact_id >= r.horizon AND c.xact_id < v_to), 0)
             - COALESCE((SELECT sum(d.amount) FROM public.ledger_posting AS d
                          WHERE d.debit_account_id = r.account_id
                            AND d.xact_id >= r.horizon AND d.xact_id < v_to), 0)),
           horizon = v_to,
           rolled_up_at = public.platform_now()
      FROM public.ledger_account AS a
     WHERE r.account_id = p_account_id AND a.id = r.account_id AND r.horizon < v_to;
END;
$$;

-- Roll up at most p_limit accounts that have a tail, those left longest first; the number rolled up.
-- Rows that somebody spends from at this moment are skipped: it never waits, so it cannot deadlock.
CREATE OR REPLACE FUNCTION public.ledger_roll_up(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account_id bigint;
    v_count integer := 0;
BEGIN
    FOR v_account_id IN
        SELECT r.account_id
          FROM public.ledger_roll_up AS r
         WHERE EXISTS (SELECT 1 FROM public.ledger_posting AS c
                        WHERE c.credit_account_id = r.account_id AND c.xact_id >= r.horizon
                          AND c.xact_id < pg_snapshot_xmin(pg_current_snapshot()))
            OR EXISTS (SELECT 1 FROM public.ledger_posting AS d
                        WHERE d.debit_account_id = r.account_id AND d.xact_id >= r.horizon
                          AND d.xact_id < pg_snapshot_xmin(pg_current_snapshot()))
         ORDER BY r.horizon
         LIMIT p_limit
    LOOP
        PERFORM 1 FROM public.ledger_roll_up AS r
          WHERE r.account_id = v_account_id FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            PERFORM public.ledger_advance_roll_up(v_account_id);
            v_count := v_count + 1;
        END IF;
    END LOOP;
    RETURN v_count;
END;
$$;
