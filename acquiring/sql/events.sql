-- Merchant events 商户事件 and their deliveries. Called inside the transaction of the move that is told of.

-- Keep one event and make its delivery to the order's own notify_url due at once. A null url is kept as well:
-- the deliverer moves it to SKIPPED. A second result of one type for one object is refused by the unique index.
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
END
$$;
