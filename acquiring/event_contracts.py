"""Merchant events 商户事件 in the merchant API: the objects, field for field. Pure: imports no framework."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from acquiring.event_types import EventType
from paymentplatform.kernel import fields, numbers
from paymentplatform.kernel.fields import choice_of, number_of, shown


class DeliveryStatus(StrEnum):
    """States of a delivery; all but DUE are terminal."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"


class DeliveryTryView(msgspec.Struct, frozen=True):
    """One try to deliver an event."""

    number: Annotated[int, shown("1 is the first try of this delivery.", minimum=1)]
    at: Annotated[str, shown("When it ended.", format="date-time")]
    status_code: Annotated[int, shown("What you answered; null without an HTTP answer.")] | None
    duration_ms: Annotated[int, shown("How long it took, in milliseconds.", minimum=0)]
    error: Annotated[
        str,
        shown(
            "Empty after a 2xx. Otherwise `unexpected_status`, `timeout`, `connect_failed`, `connection_lost`, "
            "`name_not_resolved`, `address_refused`, `url_refused`, `tls_failed`, `bad_answer` or `internal_error`."
        ),
    ]


class DeliveryView(msgspec.Struct, frozen=True):
    """One event on its way to one target."""

    delivery_no: Annotated[str, number_of(numbers.DELIVERY, "Our number of the delivery.")]
    target: Annotated[
        str,
        choice_of("The order's `notify_url`, or a webhook endpoint.", ("ORDER_NOTIFY", "ENDPOINT")),
    ]
    endpoint_id: (
        Annotated[str, number_of(numbers.ENDPOINT, "The webhook endpoint; null for `notify_url`.")]
        | None
    )
    url: Annotated[str, shown("Where it goes, or went; null when there is nowhere.")] | None
    status: Annotated[
        DeliveryStatus,
        shown("`DUE` waits for its next try. `DEAD` is given up, `SKIPPED` had nowhere to go."),
    ]
    reason: (
        Annotated[
            str,
            shown(
                "Why it is `DEAD` or `SKIPPED`: `exhausted`, `gone`, `url_refused`, `endpoint_disabled` or `no_target`."
            ),
        ]
        | None
    )
    next_try_at: Annotated[str, shown("The next try of a `DUE` one.", format="date-time")] | None
    tries: Annotated[list[DeliveryTryView], shown("Every try, oldest first.")]


class EventView(msgspec.Struct, frozen=True):
    """The Event object of the merchant API: what a webhook said, and how it was delivered."""

    id: fields.EventNo
    type: Annotated[EventType, shown("What has happened.")]
    timestamp: Annotated[str, shown("When it happened.", format="date-time")]
    data: Annotated[
        msgspec.Raw,
        Meta(
            description="The Order, Refund or other object as it was then, byte for byte as it was sent. A secret that "
            "an event showed once is null here.",
            extra_json_schema={"type": "object"},
        ),
    ]
    deliveries: Annotated[
        list[DeliveryView], shown("Oldest first; one more for each target and redelivery.")
    ]


class SentEvent(msgspec.Struct, frozen=True):
    """The body of a webhook, as it is kept."""

    id: str
    type: EventType
    timestamp: str
    data: msgspec.Raw
