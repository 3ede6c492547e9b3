"""What the OpenAPI document shows of events."""

from __future__ import annotations

from typing import Any, Final

from acquiring.views.examples import PAID_ORDER

_FIRST_TRY: Final[dict[str, Any]] = {
    "number": 1,
    "at": "2026-01-31T08:01:12.690Z",
    "status_code": 503,
    "duration_ms": 41,
    "error": "unexpected_status",
}

_SECOND_TRY: Final[dict[str, Any]] = {
    "number": 2,
    "at": "2026-01-31T08:01:28.101Z",
    "status_code": 200,
    "duration_ms": 18,
    "error": "",
}

_DELIVERY: Final[dict[str, Any]] = {
    "delivery_no": "dlv_01k0000000000000000006",
    "target": "ORDER_NOTIFY",
    "endpoint_id": None,
    "url": "https://shop.example/notify",
    "status": "DELIVERED",
    "reason": None,
    "next_try_at": None,
    "tries": [_FIRST_TRY, _SECOND_TRY],
}

EVENT: Final[dict[str, Any]] = {
    "id": "evt_01k0000000000000000005",
    "type": "order.success",
    "timestamp": "2026-01-31T08:01:12.345Z",
    "data": PAID_ORDER,
    "deliveries": [_DELIVERY],
}

WAITING_EVENT: Final[dict[str, Any]] = EVENT | {
    "deliveries": [
        _DELIVERY,
        _DELIVERY
        | {
            "delivery_no": "dlv_01k0000000000000000007",
            "status": "DUE",
            "next_try_at": "2026-01-31T09:00:00.000Z",
            "tries": [],
        },
    ]
}

EVENT_LIST: Final[dict[str, Any]] = {"data": [EVENT], "has_more": False, "next_cursor": None}
