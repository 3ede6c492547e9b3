-- Holds 冻结: money of a payer set aside until its payment ends.
--
-- Every change of a hold happens under the lock of its payer's balance row, which is taken first; a hold
-- row itself is therefore never waited for.

CREATE OR REPLACE FUNCTION public.ledger_record_move(
        p_hold_no text, p_from text, p_to text, p_cause text) RETURNS void
    LANGUAGE sql AS $$
    INSERT INTO public.ledger_transition
           (machine, object_no, from_status, to_status, cause, actor, request_id)
    VALUES ('hold', p_hold_no, p_from, p_to, p_cause, 'system', '')
$$;

-- Hold an amount of a payer's free balance. False, having written nothing, when there is not enough.
-- The same hold again is true and changes nothing; the same number for something else is PC900.
CREATE OR REPLACE FUNCTION public.ledger_hold(
        p_hold_no text, p_account_code text, p_amount bigint, p_reference text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account_id bigint;
    v_earlier public.ledger_hold%ROWTYPE;
    v_enough boolean;
BEGIN
    IF (p_amount > 0 AND left(p_account_code, 4) = 'L10:') IS NOT TRUE THEN
        RAISE EXCEPTION 'a hold needs a payer account and a positive amount' USING ERRCODE = 'PC900';
    END IF;
    SELECT a.id INTO v_account_id FROM public.ledger_account AS a WHERE a.code = p_account_code;
    UPDATE public.ledger_payer_balance AS b
       SET held = b.held + p_amount
     WHERE b.account_id = v_account_id AND b.balance - b.held >= p_amount;
    v_enough := FOUND;
    IF v_enough THEN
        INSERT INTO public.ledger_hold (hold_no, account_id, amount, reference, status)
        VALUES (p_hold_no, v_account_id, p_amount, p_reference, 'OPEN')
        ON CONFLICT (hold_no) DO NOTHING;
        IF FOUND THEN
            PERFORM public.ledger_record_move(p_hold_no, '', 'OPEN', p_reference);
            RETURN true;
        END IF;
        UPDATE public.ledger_payer_balance AS b
           SET held = b.held - p_amount WHERE b.account_id = v_account_id;
    END IF;
    SELECT * INTO v_earlier FROM public.ledger_hold AS h WHERE h.hold_no = p_hold_no;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF (v_earlier.account_id, v_earlier.amount, v_earlier.reference)
       IS DISTINCT FROM (v_account_id, p_amount, p_reference) THEN
        RAISE EXCEPTION 'hold % exists for something else', p_hold_no USING ERRCODE = 'PC900';
    END IF;
    RETURN true;
END;
$$;

-- Give a hold back to its payer. True when this call released it, false when it was released before;
-- a captured hold is refused as hold_not_open, an unknown one as hold_not_found.
CREATE OR REPLACE FUNCTION public.ledger_release_hold(p_hold_no text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_hold public.ledger_hold%ROWTYPE;
BEGIN
    SELECT * INTO v_hold FROM public.ledger_hold AS h WHERE h.hold_no = p_hold_no;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hold_not_found' USING ERRCODE = 'PC400', DETAIL = p_hold_no;
    END IF;
    PERFORM 1 FROM public.ledger_payer_balance AS b
      WHERE b.account_id = v_hold.account_id FOR NO KEY UPDATE;
    UPDATE public.ledger_hold AS h
       SET status = 'RELEASED', resolved_at = public.platform_now()
     WHERE h.hold_no = p_hold_no AND h.status = 'OPEN';
    IF FOUND THEN
        UPDATE public.ledger_payer_balance AS b
           SET held = b.held - v_hold.amount WHERE b.account_id = v_hold.account_id;
        PERFORM public.ledger_record_move(p_hold_no, 'OPEN', 'RELEASED', '');
        RETURN true;
    END IF;
    SELECT * INTO v_hold FROM public.ledger_hold AS h WHERE h.hold_no = p_hold_no;
    IF v_hold.status <> 'RELEASED' THEN
        RAISE EXCEPTION 'hold_not_open' USING ERRCODE = 'PC400', DETAIL = p_hold_no;
    END IF;
    RETURN false;
END;
$$;
