"""Calls about what happened and whom it is told: events and webhook endpoints."""

from __future__ import annotations

from collections.abc import Iterable

from paymentplatform_client.calling import Caller, given, in_path
from paymentplatform_client.objects import DeliveryStatus, Event, WebhookEndpoint
from paymentplatform_client.parsing import Page, parse


class EventCalls(Caller):
    """Events and webhook endpoints."""

    def list_events(
        self,
        *,
        event_type: str | None = None,
        object_no: str | None = None,
        delivery_status: DeliveryStatus | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Event]:
        """List what happened, newest first: to catch up with webhooks that you have missed.

        With ``delivery_status`` DEAD those that did not reach you; ``object_no`` is of an order, a refund, ….
        """
        return self._list(
            Event,
            "/events",
            type=event_type,
            object_no=object_no,
            delivery_status=delivery_status,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            cursor=cursor,
        )

    def get_event(self, event_id: str) -> Event:
        """Get one event."""
        return parse(Event, self._call("GET", f"/events/{in_path(event_id)}"))

    def redeliver_event(self, event_id: str) -> Event:
        """Have an event sent again, under the same id, to every address that it has now."""
        path = f"/events/{in_path(event_id)}/redeliver"
        return parse(Event, self._call("POST", path, body={}))

    def create_webhook_endpoint(self, url: str, *, events: Iterable[str] = ()) -> WebhookEndpoint:
        """Have events of these types (of all, when there are none) sent to an address. Keep its ``secret``."""
        body = {"url": url, "events": list(events)}
        return parse(
            WebhookEndpoint, self._call("POST", "/webhook-endpoints", body=body, once=True)
        )

    def get_webhook_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Get one endpoint."""
        return parse(WebhookEndpoint, self._call("GET", _endpoint(endpoint_id)))

    def list_webhook_endpoints(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[WebhookEndpoint]:
        """List endpoints, newest first."""
        return self._list(
            WebhookEndpoint,
            "/webhook-endpoints",
            limit=limit,
            cursor=cursor,
        )

    def change_webhook_endpoint(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        events: Iterable[str] | None = None,
        enabled: bool | None = None,
    ) -> WebhookEndpoint:
        """Change what you name of an endpoint: its address, its types, whether it is on."""
        chosen = None if events is None else list(events)
        body = given({"url": url, "events": chosen, "enabled": enabled})
        return parse(WebhookEndpoint, self._call("PATCH", _endpoint(endpoint_id), body=body))

    def delete_webhook_endpoint(self, endpoint_id: str) -> None:
        """Delete an endpoint; what waited for it is not sent any more."""
        self._call("DELETE", _endpoint(endpoint_id))

    def rotate_webhook_endpoint_secret(self, endpoint_id: str) -> WebhookEndpoint:
        """Give an endpoint a new ``secret``; for 24 hours the one before it signs beside it."""
        path = f"{_endpoint(endpoint_id)}/rotate-secret"
        return parse(WebhookEndpoint, self._call("POST", path, body={}, once=True))

    def test_webhook_endpoint(self, endpoint_id: str) -> str:
        """Have a ``webhook_endpoint.test`` sent to it; returns the event's id."""
        path = f"{_endpoint(endpoint_id)}/test"
        return str(self._call("POST", path, body={}, once=True)["event_id"])


def _endpoint(endpoint_id: str) -> str:
    return f"/webhook-endpoints/{in_path(endpoint_id)}"
