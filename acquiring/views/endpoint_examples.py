"""What the OpenAPI document shows of webhook endpoints."""

from __future__ import annotations

from typing import Any, Final

CREATE_ENDPOINT: Final[dict[str, Any]] = {
    "url": "https://shop.example/webhooks",
    "events": ["order.success", "refund.success"],
}

ENDPOINT: Final[dict[str, Any]] = {
    "id": "wep_01k0000000000000000008",
    "url": "https://shop.example/webhooks",
    "events": ["order.success", "refund.success"],
    "enabled": True,
    "disabled_reason": None,
    "created_at": "2026-01-31T08:00:00.000Z",
}

NEW_ENDPOINT: Final[dict[str, Any]] = ENDPOINT | {
    "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
}

CHANGE_ENDPOINT: Final[dict[str, Any]] = {"events": [], "enabled": True}

CHANGED_ENDPOINT: Final[dict[str, Any]] = ENDPOINT | {"events": []}

ENDPOINT_LIST: Final[dict[str, Any]] = {
    "data": [ENDPOINT],
    "has_more": False,
    "next_cursor": None,
}

TEST_SENT: Final[dict[str, Any]] = {"event_id": "evt_01k0000000000000000005"}
