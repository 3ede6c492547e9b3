"""Merchant events 商户事件 in the merchant API: the objects, field for field. Pure: imports no framework."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class DeliveryStatus(StrEnum):
    """States of a delivery; all but DUE are terminal."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"


class DeliveryTryView(msgspec.Struct, frozen=True):
    """One try to deliver: when it ended, what was answered, what went wrong (empty after a 2xx)."""

    number: int
    at: str
    status_code: int | None
    duration_ms: int
    error: str


class DeliveryView(msgspec.Struct, frozen=True):
    """One event on its way to one target; ``reason`` says why it is DEAD or SKIPPED."""

    delivery_no: str
    target: str
    endpoint_id: str | None
    url: str | None
    status: DeliveryStatus
    reason: str | None
    next_try_at: str | None
    tries: list[DeliveryTryView]


class EventView(msgspec.Struct, frozen=True):
    """The Event object of the merchant API. ``data`` is byte for byte what was sent."""

    id: str
    type: str
    timestamp: str
    data: Annotated[
        msgspec.Raw,
        Meta(
            description="The Order, Refund or other object as it was in the moment of the event.",
            extra_json_schema={"type": "object"},
        ),
    ]
    deliveries: list[DeliveryView]


class SentEvent(msgspec.Struct, frozen=True):
    """The body of a webhook, as it is kept."""

    id: str
    type: str
    timestamp: str
    data: msgspec.Raw
