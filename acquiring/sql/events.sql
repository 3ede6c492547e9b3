-- Merchant events 商户事件 and their deliveries. Called inside the transaction of the move that is told of.

-- Keep one event and make its delivery to the order's own notify_url due at once. Without an address it is SKIPPED
-- here, so that nobody has to take up a row that leads nowhere. A second result of one type for one object is
-- refused by the unique index.
CREATE OR REPLACE FUNCTION acquiring_record_event(
    p_event_id text, p_type text, p_merchant_no text, p_object_no text, p_payload text,
    p_notify_url text, p_delivery_no text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload)
    VALUES (p_event_id, p_merchant_no, p_type, p_object_no, p_payload);
    INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, url, status)
    VALUES (p_delivery_no, p_event_id, p_merchant_no, 'ORDER_NOTIFY', p_notify_url, 'DUE');
    IF p_notify_url IS NULL THEN
        UPDATE acquiring_delivery SET status = 'SKIPPED', reason = 'no_target', due_at = NULL
        WHERE delivery_no = p_delivery_no AND status = 'DUE';
        INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
        VALUES ('delivery', p_delivery_no, 'DUE', 'SKIPPED', 'no_target', 'system', '');
    END IF;
END
$$;

-- Lease due deliveries, the longest due first, at most p_per_merchant of one merchant. Rows that somebody holds are
-- passed over. Looks at p_window due rows; merchants in p_busy, and receivers that timed out last time unless
-- p_with_slow, are left out before counting, so nobody's pile hides what stands behind it.
CREATE OR REPLACE FUNCTION acquiring_claim_deliveries(
    p_limit integer, p_per_merchant integer, p_window integer, p_lease_s integer,
    p_busy text[], p_with_slow boolean, p_token uuid
) RETURNS TABLE (
    delivery_no text, event_id text, merchant_no text, url text, tries smallint, timed_out boolean, payload text
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := platform_now();
    v_wanted text[];
    v_locked text[];
BEGIN
    v_wanted := ARRAY (
        SELECT p.delivery_no
        FROM (
            SELECT h.delivery_no, h.due_at,
                row_number() OVER (PARTITION BY h.merchant_no ORDER BY h.due_at) AS place
            FROM (
                SELECT d.delivery_no, d.merchant_no, d.due_at
                FROM acquiring_delivery d
                WHERE d.due_at <= v_now
                  AND (d.leased_until IS NULL OR d.leased_until <= v_now)
                  AND d.merchant_no <> ALL (p_busy)
                  AND (p_with_slow OR d.last_error <> 'timeout')
                ORDER BY d.due_at
                LIMIT p_window
            ) AS h
        ) AS p
        WHERE p.place <= p_per_merchant
        ORDER BY p.due_at
        LIMIT p_limit
    );
    -- Arrays keep the plan on the primary key, however large the table and however old its statistics.
    v_locked := ARRAY (
        SELECT d.delivery_no
        FROM acquiring_delivery d
        WHERE d.delivery_no = ANY (v_wanted)
          AND d.due_at <= v_now AND (d.leased_until IS NULL OR d.leased_until <= v_now)
        FOR UPDATE SKIP LOCKED
    );
    RETURN QUERY
    UPDATE acquiring_delivery d
    SET lease_token = p_token, leased_until = v_now + make_interval(secs => p_lease_s)
    FROM acquiring_merchant_event e
    WHERE d.delivery_no = ANY (v_locked) AND e.event_id = d.event_id
    RETURNING d.delivery_no, d.event_id, d.merchant_no, d.url, d.tries, d.last_error = 'timeout', e.payload;
END
$$;

-- Write down how tries ended and give the rows back: only where the lease is still the caller's (fencing).
-- p_counts says whether a try was made; a row that was only given back, or had no target, leaves none.
-- Returns the deliveries that were written.
CREATE OR REPLACE FUNCTION acquiring_record_tries(
    p_delivery_nos text[], p_tokens uuid[], p_statuses text[], p_reasons text[], p_waits_s double precision[],
    p_counts boolean[], p_status_codes integer[], p_errors text[], p_durations_ms integer[], p_actor text
) RETURNS SETOF text
LANGUAGE sql AS $$
    WITH clock AS MATERIALIZED (
        SELECT platform_now() AS now
    ), result AS (
        SELECT * FROM unnest(
            p_delivery_nos, p_tokens, p_statuses, p_reasons, p_waits_s,
            p_counts, p_status_codes, p_errors, p_durations_ms
        ) AS r (delivery_no, token, status, reason, wait_s, counts, status_code, error, duration_ms)
    ), written AS (
        UPDATE acquiring_delivery d SET
            status = r.status,
            reason = r.reason,
            due_at = CASE WHEN r.status = 'DUE' THEN c.now + make_interval(secs => r.wait_s) END,
            delivered_at = CASE WHEN r.status = 'DELIVERED' THEN c.now END,
            tries = d.tries + r.counts::int,
            last_status_code = CASE WHEN r.counts THEN r.status_code ELSE d.last_status_code END,
            last_error = CASE WHEN r.counts THEN r.error ELSE d.last_error END,
            lease_token = NULL,
            leased_until = NULL
        FROM result r, clock c
        WHERE d.delivery_no = r.delivery_no AND d.lease_token = r.token AND d.status = 'DUE'
        RETURNING d.delivery_no, d.tries, d.status, r.counts, r.status_code, r.error, r.reason, r.duration_ms
    ), tried AS (
        INSERT INTO acquiring_delivery_try (delivery_id, number, status_code, error, duration_ms)
        SELECT w.delivery_no, w.tries, w.status_code, w.error, w.duration_ms FROM written w WHERE w.counts
    ), moved AS (
        INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
        SELECT 'delivery', w.delivery_no, 'DUE', w.status, CASE w.reason WHEN '' THEN 'answer' ELSE w.reason END,
            p_actor, ''
        FROM written w WHERE w.status <> 'DUE'
    )
    SELECT w.delivery_no FROM written w
$$;
