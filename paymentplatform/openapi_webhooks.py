"""The ``webhooks`` of the API's document: what the platform sends to merchants, event by event."""

from __future__ import annotations

from typing import Any, Final

from paymentplatform.kernel import numbers
from paymentplatform.kernel.fields import number_pattern

EVENTS: Final[dict[str, tuple[str, str]]] = {
    "order.success": ("Order", "The order is paid: deliver. It will never be anything else"),
    "order.failed": ("Order", "The order has failed for good: no try is left, nothing was taken"),
    "order.closed": ("Order", "The order is closed: `close_reason` says by whom"),
    "refund.success": ("Refund", "The payer has the money back"),
    "refund.failed": ("Refund", "The institution refused it: the money is yours again"),
    "late_money.pending": ("LateMoney", "Money came too late and you are asked what to do with it"),
    "late_money.resolved": ("LateMoney", "Late money went back, or is yours"),
    "payer_agreement.active": ("Agreement", "A payer agreed: `payer_token` is in here, once"),
    "payer_agreement.revoked": ("Agreement", "An agreement was ended: its token pays nothing more"),
    "webhook_endpoint.disabled": ("WebhookEndpoint", "An endpoint was switched off by us"),
    "webhook_endpoint.test": ("WebhookEndpoint", "You pressed the test button"),
}
"""Type: the object in ``data``, and what has happened."""

_OBJECT_OF: Final = {
    "Order": "get_order",
    "Refund": "get_refund",
    "LateMoney": "decide_late_money",
    "Agreement": "get_payer_agreement",
    "WebhookEndpoint": "get_webhook_endpoint",
}
"""The operation whose example shows the object."""

_EXAMPLE_EVENT: Final = "evt_01k0000000000000000009"
_EXAMPLE_TIME: Final = "2026-01-31T08:01:12.345Z"

_HEADERS: Final[list[dict[str, Any]]] = [
    {
        "name": "webhook-id",
        "in": "header",
        "required": True,
        "description": "The event's `id`: the same whenever it is sent again. Act once for each.",
        "schema": {"type": "string", "pattern": number_pattern(numbers.EVENT)},
        "example": _EXAMPLE_EVENT,
    },
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "description": "When this try was sent, in seconds since 1970. Refuse one that is 5 minutes off.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "1769846472",
    },
    {
        "name": "webhook-signature",
        "in": "header",
        "required": True,
        "description": "Standard Webhooks 1.0: `v1,` and base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}` with"
        " your secret; several with blanks between them while a secret is being replaced.",
        "schema": {"type": "string", "pattern": "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$"},
        "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
]

_RESPONSES: Final[dict[str, Any]] = {
    "2XX": {"description": "You have it. Answer before you work: 15 seconds are all there is."},
    "410": {"description": "Send nothing here any more: the endpoint is switched off."},
    "default": {
        "description": "It is sent again, for about a day: after 15 s, 30 s, 3 m, 10 m, 20 m, 30 m, 1 h, 2 h,"
        " 6 h, 15 h. `Retry-After` is honoured."
    },
}


def add_webhooks(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Describe every event whose object the document knows."""
    schemas = result["components"]["schemas"]
    schemas["WebhookEvent"] = _describe_envelope()
    examples = _find_examples(result)
    result["webhooks"] = {
        kind: {"post": _describe(kind, shape, summary, examples.get(shape))}
        for kind, (shape, summary) in EVENTS.items()
        if shape in schemas
    }
    return result


def _describe(kind: str, shape: str, summary: str, example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "schema": {
            "allOf": [
                {"$ref": "#/components/schemas/WebhookEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": kind},
                        "data": {"$ref": f"#/components/schemas/{shape}"},
                    },
                },
            ]
        }
    }
    if example is not None:
        content["example"] = {
            "id": _EXAMPLE_EVENT,
            "type": kind,
            "timestamp": _EXAMPLE_TIME,
            "data": example,
        }
    return {
        "operationId": f"receive_{kind.replace('.', '_')}",
        "summary": f"{kind}: {summary}",
        "description": "Sent to the order's `notify_url` and to every endpoint that wants the type.",
        "tags": ["webhooks"],
        "security": [],
        "parameters": _HEADERS,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": _RESPONSES,
    }


def _describe_envelope() -> dict[str, Any]:
    return {
        "title": "WebhookEvent",
        "description": "The body of every webhook. New types may come: answer 2xx to those you do not know.",
        "type": "object",
        "required": ["id", "type", "timestamp", "data"],
        "properties": {
            "id": {
                "type": "string",
                "pattern": number_pattern(numbers.EVENT),
                "description": "The same as `webhook-id`.",
            },
            "type": {"type": "string", "description": "What has happened."},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened, in UTC.",
            },
            "data": {
                "type": "object",
                "description": "The object as it was in the moment of the event.",
            },
        },
    }


def _find_examples(result: dict[str, Any]) -> dict[str, Any]:
    """Return the example of each object, taken from an operation that answers it."""
    shown: dict[str, Any] = {}
    for methods in result["paths"].values():
        for operation in methods.values():
            answer = operation["responses"].get("200", {}).get("content", {})
            shown[operation["operationId"]] = answer.get("application/json", {}).get("example")
    return {shape: shown.get(name) for shape, name in _OBJECT_OF.items()}
