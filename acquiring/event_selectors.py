"""Questions about merchant events: a page of them in three statements, however many deliveries and tries they had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import connection

from acquiring.event_contracts import (
    DeliveryStatus,
    DeliveryTryView,
    DeliveryView,
    EventView,
    SentEvent,
)
from paymentplatform.kernel.errors import NotFound

# Both halves of the last line are always true together: they lead to the two partial indexes of object_no.
_OF_OBJECT: Final = """
    e.object_no = %(object_no)s
    AND (e.type IN ('order.success', 'order.failed', 'order.closed', 'refund.success', 'refund.failed')
      OR e.type NOT IN ('order.success', 'order.failed', 'order.closed', 'refund.success', 'refund.failed'))
"""

# Only what stands last for a target counts: what was dead and has been delivered since has reached the merchant.
_HAS_DELIVERY: Final = """
    EXISTS (
        SELECT 1 FROM acquiring_delivery d
        WHERE d.event_id = e.event_id AND d.merchant_no = %(merchant_no)s AND d.status = '{status}'
          AND NOT EXISTS (
            SELECT 1 FROM acquiring_delivery newer
            WHERE newer.event_id = d.event_id AND newer.target = d.target
              AND newer.endpoint_id IS NOT DISTINCT FROM d.endpoint_id
              AND (newer.created_at, newer.delivery_no) > (d.created_at, d.delivery_no)
          )
          {still}
    )
"""

# What failed at an endpoint that was deleted since counts only as long as something can be done about it: it has
# reached the merchant nowhere, and an endpoint of today wants it. Nothing is ever sent to a deleted one. (Scalar, since
# the planner would rather hash a whole table for an EXISTS.)
_CAN_STILL_ARRIVE: Final = """
          AND (
            (SELECT gone.deleted_at FROM acquiring_webhook_endpoint gone WHERE gone.endpoint_id = d.endpoint_id) IS NULL
            OR (
              SELECT 1 FROM acquiring_delivery arrived
              WHERE arrived.event_id = d.event_id AND arrived.status = 'DELIVERED' LIMIT 1
            ) IS NULL
            AND (
              SELECT 1 FROM acquiring_webhook_endpoint w
              WHERE w.merchant_no = %(merchant_no)s AND w.enabled
                AND (w.events = '[]' OR jsonb_exists(w.events, e.type)) LIMIT 1
            ) IS NOT NULL
          )
"""


def get_event(*, merchant_no: str, event_id: str) -> EventView:
    """Return one event with its deliveries and tries. Raises NotFound, also for another merchant's event."""
    found = _render_events(
        _select(
            ["e.event_id = %(event_id)s"],
            {"merchant_no": merchant_no, "event_id": event_id, "limit": 1},
        )
    )
    if not found:
        raise NotFound
    return found[0]


def list_events_page(
    *,
    merchant_no: str,
    limit: int,
    before: str | None = None,
    event_type: str | None = None,
    object_no: str | None = None,
    delivery_status: DeliveryStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> tuple[list[EventView], str | None]:
    """Return up to ``limit`` events, newest first, and the id to go on before (None at the end).

    With ``delivery_status``: events of which the last delivery to at least one target stands so; DEAD ones of a deleted
    endpoint only while they could reach another one.
    """
    values: dict[str, Any] = {
        "merchant_no": merchant_no,
        "before": before,
        "type": event_type,
        "object_no": object_no,
        "created_from": created_from,
        "created_to": created_to,
    }
    conditions = [
        condition
        for name, condition in (
            ("before", "e.event_id < %(before)s"),
            ("type", "e.type = %(type)s"),
            ("object_no", _OF_OBJECT),
            ("created_from", "e.created_at >= %(created_from)s"),
            ("created_to", "e.created_at < %(created_to)s"),
        )
        if values[name] is not None
    ]
    if delivery_status is not None:  # written out, so that the plan may use the partial index
        status = DeliveryStatus(delivery_status)
        still = _CAN_STILL_ARRIVE if status == DeliveryStatus.DEAD else ""
        conditions.append(_HAS_DELIVERY.format(status=status.value, still=still))
    rows = _select(conditions, values | {"limit": limit + 1})
    page = _render_events(rows[:limit])
    return page, page[-1].id if len(rows) > limit else None


def _select(conditions: Sequence[str], values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (event id, payload) of a merchant's events, newest first; ``conditions`` are constants of ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.event_id, e.payload FROM acquiring_merchant_event e WHERE "  # noqa: S608
            + " AND ".join(["e.merchant_no = %(merchant_no)s", *conditions])
            + " ORDER BY e.event_id DESC LIMIT %(limit)s",
            values,
        )
        return list(cursor.fetchall())


def _render_events(rows: Sequence[tuple[str, str]]) -> list[EventView]:
    deliveries = _list_deliveries([event_id for event_id, _ in rows])
    rendered = []
    for event_id, payload in rows:
        sent = msgspec.json.decode(payload, type=SentEvent)
        rendered.append(
            EventView(sent.id, sent.type, sent.timestamp, sent.data, deliveries[event_id])
        )
    return rendered


def _list_deliveries(event_ids: list[str]) -> dict[str, list[DeliveryView]]:
    """Return the deliveries of each event, oldest first, with their tries: two statements."""
    if not event_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, delivery_no, target, endpoint_id, url, status, nullif(reason, ''),"
            " platform_rfc3339(due_at) FROM acquiring_delivery WHERE event_id = ANY(%s::text[])"
            " ORDER BY created_at, delivery_no",
            [event_ids],
        )
        rows = cursor.fetchall()
    tries = _list_tries([row[1] for row in rows])
    found: dict[str, list[DeliveryView]] = defaultdict(list)
    for event_id, delivery_no, target, endpoint_id, url, status, reason, next_try_at in rows:
        found[event_id].append(
            DeliveryView(
                delivery_no=delivery_no,
                target=target,
                endpoint_id=endpoint_id,
                url=url,
                status=status,
                reason=reason,
                next_try_at=next_try_at,
                tries=tries[delivery_no],
            )
        )
    return found


def _list_tries(delivery_nos: list[str]) -> dict[str, list[DeliveryTryView]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT delivery_id, number, platform_rfc3339(at), status_code, duration_ms, error"
            " FROM acquiring_delivery_try WHERE delivery_id = ANY(%s::text[])"
            " ORDER BY delivery_id, number",
            [delivery_nos],
        )
        found: dict[str, list[DeliveryTryView]] = defaultdict(list)
        for delivery_no, *rest in cursor.fetchall():
            found[delivery_no].append(DeliveryTryView(*rest))
        return found
