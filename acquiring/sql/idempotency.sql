-- Idempotency keys 幂等键: who may run a request now, and what it was answered.

-- Claim a key for the merchant of a usable credential. One row comes back, and told_outcome says what it is:
--   CLAIMED   run the request, as number told_fence of those that have; the others must not answer any more
--   RUNNING   somebody runs it, for at most told_seconds more
--   ANSWERED  here is the answer
--   OTHER     the key was used with another request
CREATE OR REPLACE FUNCTION acquiring_claim_key(
    p_key_id text, p_claim_no text, p_scope_digest text, p_key text, p_route text,
    p_request_digest text, p_lease_s int, p_request_id text
) RETURNS TABLE (
    told_outcome text, told_claim_no text, told_fence int, told_seconds int,
    told_status smallint, told_type text, told_answer text
)
LANGUAGE plpgsql AS $$
DECLARE
    v_merchant_no text;
    k acquiring_idempotency_key;
BEGIN
    SELECT c.merchant_no INTO v_merchant_no FROM acquiring_caller(p_key_id) c;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = 'unauthenticated';
    END IF;
    LOOP
        INSERT INTO acquiring_idempotency_key (
            claim_no, merchant_no, scope_digest, key, route, request_digest, fence,
            leased_until, request_id)
        VALUES (
            p_claim_no, v_merchant_no, p_scope_digest, p_key, p_route, p_request_digest, 1,
            platform_now() + make_interval(secs => p_lease_s), p_request_id)
        ON CONFLICT (merchant_no, scope_digest) DO NOTHING;
        IF FOUND THEN
            RETURN QUERY SELECT 'CLAIMED', p_claim_no, 1, 0, NULL::smallint, NULL, NULL;
            RETURN;
        END IF;
        SELECT * INTO k FROM acquiring_idempotency_key i
        WHERE i.merchant_no = v_merchant_no AND i.scope_digest = p_scope_digest;
        IF NOT FOUND THEN
            CONTINUE; -- released between the two statements
        ELSIF k.request_digest <> p_request_digest THEN
            RETURN QUERY SELECT 'OTHER', k.claim_no, k.fence, 0, NULL::smallint, NULL, NULL;
            RETURN;
        ELSIF k.answered_at IS NOT NULL THEN
            RETURN QUERY SELECT 'ANSWERED', k.claim_no, k.fence, 0, k.answer_status, k.answer_type::text, k.answer;
            RETURN;
        ELSIF k.claim_no = p_claim_no AND k.fence = 1 THEN
            -- This very statement, sent again because its first answer was lost.
            RETURN QUERY SELECT 'CLAIMED', p_claim_no, 1, 0, NULL::smallint, NULL, NULL;
            RETURN;
        ELSIF k.leased_until > platform_now() THEN
            RETURN QUERY SELECT 'RUNNING', k.claim_no, k.fence,
                ceil(extract(epoch FROM k.leased_until - platform_now()))::int, NULL::smallint, NULL, NULL;
            RETURN;
        END IF;
        UPDATE acquiring_idempotency_key i
        SET fence = k.fence + 1, leased_until = platform_now() + make_interval(secs => p_lease_s)
        WHERE i.claim_no = k.claim_no AND i.fence = k.fence AND i.answered_at IS NULL
          AND i.leased_until <= platform_now();
        IF FOUND THEN
            RETURN QUERY SELECT 'CLAIMED', k.claim_no, k.fence + 1, 0, NULL::smallint, NULL, NULL;
            RETURN;
        END IF;
    END LOOP;
END
$$;
