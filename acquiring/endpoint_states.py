"""How webhook endpoints are doing, for operators and for /metrics: each count stops at a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

MOST_COUNTED: Final = 1000
_AGES: Final = ("under_1m", "under_10m", "under_1h", "under_6h", "over_6h")

_STATES: Final = """
SELECT w.endpoint_id, w.url,
       CASE WHEN w.deleted_at IS NOT NULL THEN 'DELETED' WHEN w.enabled THEN 'ACTIVE' ELSE 'DISABLED' END,
       coalesce(w.disabled_reason, ''), w.disabled_at,
       (SELECT max(d.delivered_at) FROM acquiring_delivery d WHERE d.endpoint_id = w.endpoint_id),
       (SELECT count(*) FROM (SELECT 1 FROM acquiring_delivery d
         WHERE coalesce(d.endpoint_id, d.merchant_no) = w.endpoint_id AND d.due_at IS NOT NULL
         LIMIT %(most)s) AS counted),
       (SELECT count(*) FROM (SELECT 1 FROM acquiring_delivery d
         WHERE d.merchant_no = w.merchant_no AND d.status = 'DEAD' AND d.endpoint_id = w.endpoint_id
         LIMIT %(most)s) AS counted)
  FROM acquiring_webhook_endpoint w
 WHERE {condition}
 ORDER BY w.endpoint_id DESC
"""

_COUNTS: Final = """
SELECT coalesce(disabled_reason, 'enabled'), count(*)
  FROM acquiring_webhook_endpoint WHERE deleted_at IS NULL GROUP BY 1
"""

_BACKLOG: Final = """
SELECT count(*) FILTER (WHERE late <= interval '1 minute'),
       count(*) FILTER (WHERE late > interval '1 minute' AND late <= interval '10 minutes'),
       count(*) FILTER (WHERE late > interval '10 minutes' AND late <= interval '1 hour'),
       count(*) FILTER (WHERE late > interval '1 hour' AND late <= interval '6 hours'),
       count(*) FILTER (WHERE late > interval '6 hours')
  FROM (SELECT platform_now() - due_at AS late FROM acquiring_delivery
         WHERE due_at <= platform_now() ORDER BY due_at LIMIT 100000) AS due
"""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One endpoint for operators. ``waiting`` and ``failures`` (deliveries given up) stop at a thousand."""

    endpoint_id: str
    url: str
    status: str
    reason: str
    disabled_at: datetime | None
    last_success_at: datetime | None
    waiting: int
    failures: int


def list_endpoint_states(
    *, merchant_no: str | None = None, endpoint_ids: Sequence[str] = ()
) -> list[EndpointState]:
    """Return how a merchant's endpoints, or these, are doing, newest first; the deleted ones too."""
    condition = (
        "w.merchant_no = %(merchant_no)s"
        if merchant_no is not None
        else "w.endpoint_id = ANY(%(endpoint_ids)s::text[])"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _STATES.format(condition=condition),
            {
                "merchant_no": merchant_no,
                "endpoint_ids": list(endpoint_ids),
                "most": MOST_COUNTED,
            },
        )
        return [EndpointState(*row) for row in cursor.fetchall()]


def count_endpoints() -> dict[str, int]:
    """Return how many endpoints there are: ``enabled``, or why they are off."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS)
        return dict(cursor.fetchall())


def count_overdue_deliveries() -> dict[str, int]:
    """Return how many deliveries are due, by how long; of the 100 000 that are longest due."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOG)
        return dict(zip(_AGES, cursor.fetchone() or (), strict=True))
