-- What consult answered for an order 支付方式咨询记录.

-- Keep an answer that is different from those kept before, p_most of them at most; true when it was kept. Nothing
-- waits for the disk: a crash of the server may lose the last moment's answers, which are for people to read.
CREATE OR REPLACE FUNCTION checkout_keep_consult(
    p_order_no text, p_digest text, p_asked_by text, p_terminal text, p_locale text, p_catalogue_revision integer,
    p_book_version integer, p_methods jsonb, p_most integer
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO checkout_consult_decision (
        order_no, digest, asked_by, terminal, locale, catalogue_revision, book_version, methods)
    SELECT p_order_no, p_digest, p_asked_by, p_terminal, p_locale, p_catalogue_revision, p_book_version, p_methods
    WHERE (SELECT count(*) FROM checkout_consult_decision WHERE order_no = p_order_no) < p_most
    ON CONFLICT (order_no, digest) DO NOTHING;
    RETURN FOUND;
END
$$;
