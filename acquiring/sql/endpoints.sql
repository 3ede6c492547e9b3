-- Webhook endpoints 通知端点: what the merchant sees of one, how it is tried, and how it is switched off.

-- Characters of a public number (kernel/numbers.py): Crockford base 32, lower case.
CREATE OR REPLACE FUNCTION platform_base32(p_value bigint, p_length integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', ((p_value >> (5 * (p_length - place))) & 31)::integer + 1, 1),
        '' ORDER BY place
    )
    FROM generate_series(1, p_length) AS place
$$;

-- The first 60 bits of a hash.
CREATE OR REPLACE FUNCTION platform_hash60(p_bytes bytea) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (('x' || encode(substr(sha256(p_bytes), 1, 8), 'hex'))::bit(64)::bigint >> 4) & 1152921504606846975
$$;

-- The same as new_number in kernel/numbers.py, for what the database makes by itself.
CREATE OR REPLACE FUNCTION platform_new_number(p_prefix text) RETURNS text
LANGUAGE sql VOLATILE STRICT AS $$
    SELECT p_prefix || '_' || platform_base32((extract(epoch FROM clock_timestamp()) * 1000)::bigint, 10)
        || platform_base32(platform_hash60(uuid_send(gen_random_uuid())), 12)
$$;

-- The same as derive_number in kernel/numbers.py: known before it is made, and the same however often it is made.
CREATE OR REPLACE FUNCTION platform_derive_number(p_prefix text, p_parent text, p_count text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT p_prefix || '_' || substr(split_part(p_parent, '_', 2), 1, 10)
        || platform_base32(platform_hash60(convert_to(p_prefix || '/' || p_parent || '/' || p_count, 'UTF8')), 12)
$$;

-- The WebhookEndpoint object of the merchant API: the one rendering for answers, lists and webhooks.
CREATE OR REPLACE FUNCTION acquiring_endpoint_json(w acquiring_webhook_endpoint) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT row_to_json(v) FROM (
        SELECT
            w.endpoint_id AS id,
            w.url,
            w.events,
            w.enabled,
            w.disabled_reason,
            platform_rfc3339(w.created_at) AS created_at
    ) AS v
$$;

-- The complete body of an event about an endpoint.
CREATE OR REPLACE FUNCTION acquiring_endpoint_event_body(
    w acquiring_webhook_endpoint, p_event_id text, p_type text
) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT row_to_json(v)::text FROM (
        SELECT p_event_id AS id, p_type AS type, platform_rfc3339(platform_now()) AS timestamp,
            acquiring_endpoint_json(w) AS data
    ) AS v
$$;

-- Keep one event webhook_endpoint.test with one delivery, to this endpoint alone and whatever it wants to hear.
-- The same event id again changes nothing. Refuses an endpoint that is not there or is off.
CREATE OR REPLACE FUNCTION acquiring_test_endpoint(
    p_endpoint_id text, p_merchant_no text, p_event_id text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    w acquiring_webhook_endpoint;
BEGIN
    SELECT * INTO w FROM acquiring_webhook_endpoint
    WHERE endpoint_id = p_endpoint_id AND merchant_no = p_merchant_no AND deleted_at IS NULL;
    IF w.endpoint_id IS NULL OR NOT w.enabled THEN
        RAISE EXCEPTION USING ERRCODE = 'PC400',
            MESSAGE = CASE WHEN w.endpoint_id IS NULL THEN 'not_found' ELSE 'webhook_endpoint_disabled' END;
    END IF;
    INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload)
    VALUES (p_event_id, w.merchant_no, 'webhook_endpoint.test', w.endpoint_id,
        acquiring_endpoint_event_body(w, p_event_id, 'webhook_endpoint.test'))
    ON CONFLICT (event_id) DO NOTHING;
    IF FOUND THEN
        INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, endpoint_id, url, status)
        VALUES (platform_derive_number('dlv', p_event_id, w.endpoint_id), p_event_id, w.merchant_no, 'ENDPOINT',
            w.endpoint_id, w.url, 'DUE');
    END IF;
END
$$;

-- End at most p_limit waiting deliveries to an endpoint that takes no more: DEAD when it was tried, else SKIPPED.
-- One that is under way is left to whoever tries it. Returns how many were ended.
CREATE OR REPLACE FUNCTION acquiring_end_endpoint_deliveries(
    p_endpoint_id text, p_limit integer, p_actor text
) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_ended integer;
BEGIN
    WITH waiting AS (
        SELECT d.delivery_no
        FROM acquiring_delivery d
        WHERE COALESCE(d.endpoint_id, d.merchant_no) = p_endpoint_id AND d.due_at IS NOT NULL
          AND (d.leased_until IS NULL OR d.leased_until <= platform_now())
        ORDER BY d.due_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE acquiring_delivery d SET
            status = CASE WHEN d.tries > 0 THEN 'DEAD' ELSE 'SKIPPED' END,
            reason = 'endpoint_disabled',
            due_at = NULL,
            lease_token = NULL,
            leased_until = NULL
        FROM waiting w
        WHERE d.delivery_no = w.delivery_no AND d.status = 'DUE'
        RETURNING d.delivery_no, d.status
    ), moved AS (
        INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
        SELECT 'delivery', e.delivery_no, 'DUE', e.status, 'endpoint_disabled', p_actor, '' FROM ended e
    )
    SELECT count(*) INTO v_ended FROM ended;
    RETURN v_ended;
END
$$;

-- Switch an endpoint off and end what waits for it; a long queue is emptied by acquiring_empty_endpoints. With p_tell
-- the merchant's other endpoints are told, and the event is kept in any case. False when it was off already.
CREATE OR REPLACE FUNCTION acquiring_disable_endpoint(
    p_endpoint_id text, p_reason text, p_tell boolean, p_actor text
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    w acquiring_webhook_endpoint;
    v_event_id text;
BEGIN
    UPDATE acquiring_webhook_endpoint
    SET enabled = false, disabled_reason = p_reason, disabled_at = platform_now(), changed_at = platform_now(),
        emptying = true
    WHERE endpoint_id = p_endpoint_id AND enabled
    RETURNING * INTO w;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM acquiring_end_endpoint_deliveries(p_endpoint_id, 1000, p_actor);
    IF p_tell THEN
        v_event_id := platform_new_number('evt');
        PERFORM acquiring_record_event(
            v_event_id, 'webhook_endpoint.disabled', w.merchant_no, w.endpoint_id,
            acquiring_endpoint_event_body(w, v_event_id, 'webhook_endpoint.disabled'),
            NULL, platform_new_number('dlv')
        );
    END IF;
    RETURN true;
END
$$;

-- Go on emptying the queues of endpoints that were switched off, p_limit deliveries of each. Returns how many ended.
CREATE OR REPLACE FUNCTION acquiring_empty_endpoints(p_limit integer, p_actor text) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_endpoint_id text;
    v_ended integer := 0;
BEGIN
    FOR v_endpoint_id IN
        SELECT w.endpoint_id FROM acquiring_webhook_endpoint w
        WHERE w.emptying ORDER BY w.endpoint_id LIMIT 10 FOR UPDATE SKIP LOCKED
    LOOP
        v_ended := v_ended + acquiring_end_endpoint_deliveries(v_endpoint_id, p_limit, p_actor);
        UPDATE acquiring_webhook_endpoint w SET emptying = false
        WHERE w.endpoint_id = v_endpoint_id
          AND NOT EXISTS (
            SELECT 1 FROM acquiring_delivery d
            WHERE COALESCE(d.endpoint_id, d.merchant_no) = v_endpoint_id AND d.due_at IS NOT NULL
          );
    END LOOP;
    RETURN v_ended;
END
$$;
