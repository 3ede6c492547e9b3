-- The hash chain 哈希链 over journals: who changes, adds or takes away what was sealed breaks it.

-- SHA-256 over all that the journals of transactions in [p_from, p_to) say, and how many there are.
CREATE OR REPLACE FUNCTION public.ledger_seal_content(p_from xid8, p_to xid8)
    RETURNS TABLE (journals bigint, postings bigint, digest bytea)
    LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT p.journal_no), count(*),
           sha256(convert_to(COALESCE(string_agg(concat_ws('|',
               p.journal_no, p.line_no, d.code, c.code, p.amount, p.currency, p.xact_id::text,
               COALESCE(j.event_type, '–'), j.event_id, j.accounting_date - DATE '2000-01-01', j.currency, j.reverses,
               j.digest, extract(epoch FROM j.created_at)),
               E'\n' ORDER BY p.journal_no COLLATE "C", p.line_no), ''), 'UTF8'))
      FROM public.ledger_posting AS p
      LEFT JOIN public.ledger_journal AS j ON j.journal_no = p.journal_no
      LEFT JOIN public.ledger_account AS d ON d.id = p.debit_account_id
      LEFT JOIN public.ledger_account AS c ON c.id = p.credit_account_id
     WHERE p.xact_id::text::bigint >= p_from::text::bigint AND p.xact_id::text::bigint < p_to::text::bigint
$$;

-- Seal what was committed since the last block, p_limit postings or a little more; how many. The horizon is the
-- snapshot's xmin: every transaction below it is over, so that no journal can appear inside a block later.
CREATE OR REPLACE FUNCTION public.ledger_seal_next(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_last public.ledger_seal%ROWTYPE;
    v_from xid8;
    v_to xid8;
    v_bound xid8;
    v_content pg_catalog.record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_seal_next')) THEN
        RETURN 0;
    END IF;
    SELECT * INTO v_last FROM public.ledger_seal AS s ORDER BY s.block_no DESC LIMIT 1;
    v_from := COALESCE(v_last.to_xact, '0');
    v_to := pg_snapshot_xmin(pg_current_snapshot());
    SELECT p.xact_id INTO v_bound FROM public.ledger_posting AS p
     WHERE p.xact_id::text::bigint >= v_from::text::bigint AND p.xact_id::text::bigint < v_to::text::bigint
     ORDER BY p.xact_id OFFSET p_limit LIMIT 1;
    IF v_bound IS NOT NULL THEN
        v_to := CASE WHEN v_bound > v_from THEN v_bound ELSE (v_from::text::bigint + 1)::text::xid8 END;
    END IF;
    IF v_to <= v_from THEN
        RETURN 0;
    END IF;
    SELECT * INTO v_content FROM public.ledger_seal_content(v_from, v_to);
    -- A block without journals is written only for a day that waits for the chain to pass its cut.
    IF v_content.postings = 0 AND NOT EXISTS (
            SELECT 1 FROM public.ledger_day AS d WHERE d.closed_at IS NULL AND d.cut_xact > v_from) THEN
        RETURN 0;
    END IF;
    INSERT INTO public.ledger_seal (block_no, from_xact, to_xact, journal_count, posting_count, hash)
    VALUES (COALESCE(v_last.block_no, 0) + 1, v_from, v_to, v_content.journals, v_content.postings,
            encode(sha256(convert_to(COALESCE(v_last.hash, ''), 'UTF8') || v_content.digest), 'hex'));
    RETURN v_content.postings;
END;
$$;
