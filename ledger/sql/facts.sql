-- What an account was credited with, in the order of transaction ids, as far as nothing can appear in between later.

-- The transaction id below which at most p_limit credits of an account wait from p_from on (more only where a single
-- transaction wrote them). Never above the snapshot's xmin: every transaction below it is over. A p_from of another
-- cluster (after a restored dump) counts as zero.
CREATE OR REPLACE FUNCTION public.ledger_credit_bound(p_code text, p_from bigint, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_from pg_catalog.xid8 := p_from::text::xid8;
    v_to pg_catalog.xid8 := pg_snapshot_xmin(pg_current_snapshot());
    v_bound pg_catalog.xid8;
    v_id bigint;
BEGIN
    IF v_from > pg_snapshot_xmax(pg_current_snapshot()) THEN
        v_from := '0';
    END IF;
    SELECT a.id INTO v_id FROM public.ledger_account AS a WHERE a.code = p_code;
    SELECT c.xact_id INTO v_bound FROM public.ledger_posting AS c
     WHERE c.credit_account_id = v_id AND c.xact_id >= v_from AND c.xact_id < v_to
     ORDER BY c.xact_id OFFSET p_limit LIMIT 1;
    IF v_bound IS NOT NULL THEN
        v_to := CASE WHEN v_bound > v_from THEN v_bound ELSE (v_from::text::bigint + 1)::text::xid8 END;
    END IF;
    RETURN v_to::text::bigint;
END;
$$;

-- The journals that credited an account with transaction ids in [p_from, p_to): what each changed on it, and the fee
-- in that (what went to fee income; negative when it came back). Both positive on a credit account in its favour.
CREATE OR REPLACE FUNCTION public.ledger_account_credits(p_code text, p_from bigint, p_to bigint)
    RETURNS TABLE (journal_no text, event_type text, event_id text, accounting_date date, amount bigint, fee bigint)
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_from pg_catalog.xid8 := p_from::text::xid8;
    v_to pg_catalog.xid8 := p_to::text::xid8;
    v_id bigint;
BEGIN
    IF v_from > v_to THEN
        v_from := '0';
    END IF;
    SELECT a.id INTO v_id FROM public.ledger_account AS a WHERE a.code = p_code;
    RETURN QUERY
    SELECT j.journal_no::text, j.event_type::text, j.event_id::text, j.accounting_date,
           COALESCE(m.amount, 0)::bigint, COALESCE(m.fee, 0)::bigint
      FROM (SELECT DISTINCT c.journal_no FROM public.ledger_posting AS c
             WHERE c.credit_account_id = v_id AND c.xact_id >= v_from AND c.xact_id < v_to) AS f
      JOIN public.ledger_journal AS j ON j.journal_no = f.journal_no
     CROSS JOIN LATERAL (
           SELECT sum(s.change) FILTER (WHERE o.kind <> 'I10') AS amount,
                  -sum(s.change) FILTER (WHERE o.kind = 'I10') AS fee
             FROM (SELECT p.amount AS change, p.debit_account_id AS other_id FROM public.ledger_posting AS p
                    WHERE p.journal_no = f.journal_no AND p.credit_account_id = v_id
                   UNION ALL
                   SELECT -p.amount, p.credit_account_id FROM public.ledger_posting AS p
                    WHERE p.journal_no = f.journal_no AND p.debit_account_id = v_id) AS s
             JOIN public.ledger_account AS o ON o.id = s.other_id) AS m;
END;
$$;
