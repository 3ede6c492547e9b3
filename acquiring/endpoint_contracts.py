"""Webhook endpoints 通知端点 in the merchant API: objects, bodies, refusals. Pure: imports no framework."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from acquiring.event_types import EventType
from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import Action, Conflict
from paymentplatform.kernel.fields import number_of, shown
from paymentplatform.kernel.numbers import ENDPOINT

MOST_ENDPOINTS: Final = 16
"""Of one merchant, the switched-off ones included, the deleted ones not."""

EndpointId = Annotated[str, number_of(ENDPOINT, "Our number of the webhook endpoint.")]
_Url = Annotated[
    str,
    shown(
        "Where events go: https to a public host, port 443 or 8443, no user name, no fragment.",
        format="uri",
        maxLength=2048,
    ),
]
_Events = Annotated[
    list[EventType],
    shown("The types that are sent; an empty list means all, also future ones.", uniqueItems=True),
]


class WebhookEndpointView(msgspec.Struct, frozen=True):
    """The WebhookEndpoint object of the merchant API, field for field."""

    id: EndpointId
    url: _Url
    events: _Events
    enabled: Annotated[bool, shown("Whether new events are sent to it.")]
    disabled_reason: Annotated[
        str | None,
        shown(
            "Why it is off: `gone` (it answered 410), `exhausted` (nothing got through any more),"
            " `merchant` (you switched it off), `operator` (we did)."
        ),
    ]
    created_at: fields.Time


class WebhookEndpointWithSecret(WebhookEndpointView, frozen=True):
    """The same with the secret that signs from now on; it is shown in the answer that makes it and nowhere else."""

    secret: Annotated[str, shown("`whsec_` and base64: the key of Standard Webhooks signatures.")]


class CreateWebhookEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /webhook-endpoints."""

    url: _Url
    events: _Events = msgspec.field(default_factory=list)


class ChangeWebhookEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of PATCH /webhook-endpoints/{endpoint_id}: what is not named stays."""

    url: _Url | None = None
    events: _Events | None = None
    enabled: Annotated[bool, shown("Switching it on again clears `disabled_reason`.")] | None = None


class SentTest(msgspec.Struct, frozen=True):
    """Answer of POST /webhook-endpoints/{endpoint_id}/test: GET /events/{event_id} shows how it goes."""

    event_id: fields.EventNo


class WebhookEndpointLimitReached(Conflict):
    """The merchant has as many endpoints as it may have; deleting one makes room."""

    code = "webhook_endpoint_limit_reached"
    title = "There are too many webhook endpoints"
    action = Action.FIX_REQUEST


class WebhookEndpointDisabled(Conflict):
    """The endpoint is switched off, so nothing is sent to it."""

    code = "webhook_endpoint_disabled"
    title = "The webhook endpoint is switched off"
    action = Action.FIX_REQUEST
