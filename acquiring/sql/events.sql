-- Merchant events 商户事件 and their deliveries. Called inside the transaction of the move that is told of.

-- Keep events of one type and make their deliveries due at once: one to the order's own notify_url, and one to every
-- endpoint of the merchant that is enabled and wants the type. Where nobody is to be told, one delivery says so as
-- SKIPPED, so that every event has a delivery and nobody takes up a row that leads nowhere. A second result of one
-- type for one object is refused by the unique index.
CREATE OR REPLACE FUNCTION acquiring_record_events(
    p_event_ids text[], p_type text, p_merchant_nos text[], p_object_nos text[], p_payloads text[],
    p_notify_urls text[], p_delivery_nos text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_told text[];
    v_silent text[];
BEGIN
    INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload)
    SELECT i.event_id, i.merchant_no, p_type, i.object_no, i.payload
    FROM unnest(p_event_ids, p_merchant_nos, p_object_nos, p_payloads) AS i (event_id, merchant_no, object_no, payload);
    WITH told AS (
        INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, endpoint_id, url, status)
        SELECT platform_derive_number('dlv', i.event_id, w.endpoint_id), i.event_id, i.merchant_no, 'ENDPOINT',
            w.endpoint_id, w.url, 'DUE'
        FROM unnest(p_event_ids, p_merchant_nos) AS i (event_id, merchant_no)
        JOIN acquiring_webhook_endpoint w
          ON w.merchant_no = i.merchant_no AND w.enabled AND (w.events = '[]'::jsonb OR w.events ? p_type)
        RETURNING event_id
    )
    SELECT array_agg(t.event_id) INTO v_told FROM told t;
    WITH noted AS (
        INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, url, status)
        SELECT i.delivery_no, i.event_id, i.merchant_no, 'ORDER_NOTIFY', i.notify_url, 'DUE'
        FROM unnest(p_delivery_nos, p_event_ids, p_merchant_nos, p_notify_urls)
            AS i (delivery_no, event_id, merchant_no, notify_url)
        WHERE i.notify_url IS NOT NULL OR v_told IS NULL OR i.event_id <> ALL (v_told)
        RETURNING delivery_no, url
    )
    SELECT array_agg(n.delivery_no) INTO v_silent FROM noted n WHERE n.url IS NULL;
    IF v_silent IS NULL THEN
        RETURN;
    END IF;
    UPDATE acquiring_delivery SET status = 'SKIPPED', reason = 'no_target', due_at = NULL
    WHERE delivery_no = ANY (v_silent) AND status = 'DUE';
    INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
    SELECT 'delivery', i.no, 'DUE', 'SKIPPED', 'no_target', 'system', '' FROM unnest(v_silent) AS i (no);
END
$$;

-- The same for one event.
CREATE OR REPLACE FUNCTION acquiring_record_event(
    p_event_id text, p_type text, p_merchant_no text, p_object_no text, p_payload text,
    p_notify_url text, p_delivery_no text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM acquiring_record_events(
        ARRAY[p_event_id], p_type, ARRAY[p_merchant_no], ARRAY[p_object_no], ARRAY[p_payload],
        ARRAY[p_notify_url], ARRAY[p_delivery_no]);
END
$$;

-- Choose due deliveries, at most p_per_queue of one queue: an endpoint, or all notify_urls of one merchant. The p_window
-- rows that are longest due nearly always suffice. Where somebody's pile fills them, every queue is asked for its own
-- head, so the cost grows with the queues, never with the pile. Queues in p_busy, and receivers that timed out last
-- time unless p_with_slow, are left out. Scans of the table are off: with old statistics one would be chosen.
CREATE OR REPLACE FUNCTION acquiring_choose_deliveries(
    p_limit integer, p_per_queue integer, p_window integer, p_busy text[], p_with_slow boolean
) RETURNS text[]
LANGUAGE plpgsql STABLE
SET enable_seqscan = off
AS $$
DECLARE
    v_now timestamptz := platform_now();
    v_seen integer;
    v_wanted text[];
BEGIN
    WITH head AS MATERIALIZED (
        SELECT d.delivery_no, COALESCE(d.endpoint_id, d.merchant_no) AS queue, d.due_at, d.leased_until, d.last_error
        FROM acquiring_delivery d
        WHERE d.due_at <= v_now
        ORDER BY d.due_at
        LIMIT p_window
    ), placed AS (
        SELECT h.delivery_no, h.due_at, row_number() OVER (PARTITION BY h.queue ORDER BY h.due_at) AS place
        FROM head h
        WHERE (h.leased_until IS NULL OR h.leased_until <= v_now)
          AND h.queue <> ALL (p_busy)
          AND (p_with_slow OR h.last_error <> 'timeout')
    )
    SELECT
        (SELECT count(*) FROM head),
        ARRAY (SELECT p.delivery_no FROM placed p WHERE p.place <= p_per_queue ORDER BY p.due_at LIMIT p_limit)
    INTO v_seen, v_wanted;
    IF v_seen < p_window OR cardinality(v_wanted) >= p_limit THEN
        RETURN v_wanted;
    END IF;
    RETURN ARRAY (
        WITH RECURSIVE queue (name) AS (
            SELECT min(COALESCE(d.endpoint_id, d.merchant_no)) FROM acquiring_delivery d WHERE d.due_at IS NOT NULL
            UNION ALL
            SELECT (
                SELECT min(COALESCE(d.endpoint_id, d.merchant_no)) FROM acquiring_delivery d
                WHERE d.due_at IS NOT NULL AND COALESCE(d.endpoint_id, d.merchant_no) > q.name
            )
            FROM queue q WHERE q.name IS NOT NULL
        )
        SELECT f.delivery_no
        FROM queue q CROSS JOIN LATERAL (
            SELECT h.delivery_no, h.due_at
            FROM (
                SELECT d.delivery_no, d.due_at, d.leased_until, d.last_error
                FROM acquiring_delivery d
                WHERE COALESCE(d.endpoint_id, d.merchant_no) = q.name AND d.due_at <= v_now
                ORDER BY d.due_at
                LIMIT p_window
            ) AS h
            WHERE (h.leased_until IS NULL OR h.leased_until <= v_now)
              AND (p_with_slow OR h.last_error <> 'timeout')
            LIMIT p_per_queue
        ) AS f
        WHERE q.name <> ALL (p_busy)
        ORDER BY f.due_at
        LIMIT p_limit
    );
END
$$;

-- Lease the chosen deliveries, with all that sending needs: a delivery to an endpoint goes where the endpoint is now,
-- signed with its secrets, unless the endpoint takes no more (takes). Rows that somebody holds are passed over.
CREATE OR REPLACE FUNCTION acquiring_claim_deliveries(
    p_limit integer, p_per_queue integer, p_window integer, p_lease_s integer,
    p_busy text[], p_with_slow boolean, p_token uuid
) RETURNS TABLE (
    delivery_no text, event_id text, merchant_no text, endpoint_id text, url text, takes boolean, tries smallint,
    timed_out boolean, payload text, sealed_payload text, secrets text, claimed_at timestamptz
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := platform_now();
    v_wanted text[] := acquiring_choose_deliveries(p_limit, p_per_queue, p_window, p_busy, p_with_slow);
    v_locked text[];
BEGIN
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
    SET lease_token = p_token, leased_until = v_now + make_interval(secs => p_lease_s), url = COALESCE(s.url, d.url)
    FROM (
        SELECT l.delivery_no, e.payload, b.sealed, w.url, w.enabled, COALESCE(w.secrets, m.webhook_secrets) AS secrets
        FROM acquiring_delivery l
        JOIN acquiring_merchant_event e ON e.event_id = l.event_id
        LEFT JOIN acquiring_sealed_body b ON b.event_id = l.event_id
        LEFT JOIN acquiring_webhook_endpoint w ON w.endpoint_id = l.endpoint_id
        LEFT JOIN acquiring_merchant m ON m.merchant_no = l.merchant_no AND l.endpoint_id IS NULL
        WHERE l.delivery_no = ANY (v_locked)
    ) AS s
    WHERE d.delivery_no = s.delivery_no
    RETURNING d.delivery_no, d.event_id, d.merchant_no, d.endpoint_id, d.url,
        d.endpoint_id IS NULL OR s.enabled IS TRUE, d.tries, d.last_error = 'timeout', s.payload, s.sealed, s.secrets, v_now;
END
$$;

-- Write down how tries ended and give the rows back: only where the lease is still the caller's (fencing).
-- p_counts says whether a try was made; a row that was only given back, or had no target, leaves none. An endpoint
-- that is gone, or to which nothing got through since the first try of a delivery that has now used up all of its tries,
-- is switched off in the same transaction - if that is where the try went.
-- Returns the deliveries that were written.
CREATE OR REPLACE FUNCTION acquiring_record_tries(
    p_delivery_nos text[], p_tokens uuid[], p_statuses text[], p_reasons text[], p_waits_s double precision[],
    p_counts boolean[], p_status_codes integer[], p_errors text[], p_durations_ms integer[], p_actor text
) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    v_written text[];
    v_failed record;
BEGIN
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
    SELECT array_agg(w.delivery_no) INTO v_written FROM written w;
    IF 'gone' = ANY (p_reasons) OR 'exhausted' = ANY (p_reasons) THEN
        FOR v_failed IN
            SELECT w.endpoint_id, max(d.reason) AS reason
            FROM acquiring_delivery d
            JOIN acquiring_webhook_endpoint w ON w.endpoint_id = d.endpoint_id AND w.url = d.url
            WHERE d.delivery_no = ANY (v_written) AND d.status = 'DEAD'
              AND (d.reason = 'gone' OR d.reason = 'exhausted' AND NOT EXISTS (
                SELECT 1 FROM acquiring_delivery s
                WHERE s.endpoint_id = d.endpoint_id
                  AND s.delivered_at >= (
                    SELECT t.at FROM acquiring_delivery_try t WHERE t.delivery_id = d.delivery_no AND t.number = 1
                  )
              ))
            GROUP BY w.endpoint_id
            ORDER BY w.endpoint_id
        LOOP
            PERFORM acquiring_disable_endpoint(v_failed.endpoint_id, v_failed.reason, true, p_actor);
        END LOOP;
    END IF;
    RETURN QUERY SELECT unnest(v_written);
END
$$;
