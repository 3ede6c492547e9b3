"""Webhook endpoints in the merchant API: create, get, list, change, delete, try out, new secret."""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import MerchantView
from acquiring.endpoint_contracts import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    SentTest,
    WebhookEndpointDisabled,
    WebhookEndpointLimitReached,
    WebhookEndpointView,
    WebhookEndpointWithSecret,
)
from acquiring.services.webhook_endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    get_endpoint,
    list_endpoints_json,
    rotate_endpoint_secret,
    send_test_event,
)
from acquiring.views import endpoint_examples as examples
from paymentplatform.kernel import fields
from paymentplatform.kernel.fields import shown
from paymentplatform.kernel.lists import NoBody, check_cursor, page_response
from paymentplatform.kernel.numbers import ENDPOINT
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, json_response, path_number

_TAG = "webhook endpoints"
_PATH = {"endpoint_id": "Our number of the webhook endpoint, `wep_…`."}


class ListWebhookEndpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of GET /webhook-endpoints."""

    limit: fields.Limit = 20
    cursor: fields.Cursor | None = None


class WebhookEndpointList(msgspec.Struct, frozen=True):
    """One page of webhook endpoints, newest first."""

    data: Annotated[list[WebhookEndpointView], shown("Newest first.")]
    has_more: fields.HasMore
    next_cursor: fields.NextCursor | None


class WebhookEndpointCollection(MerchantView):
    """/webhook-endpoints"""

    @operation(
        name="create_webhook_endpoint",
        summary="Register a webhook endpoint",
        body=CreateWebhookEndpoint,
        responses={201: WebhookEndpointWithSecret},
        request_example=examples.CREATE_ENDPOINT,
        answer_example=examples.NEW_ENDPOINT,
        errors=(WebhookEndpointLimitReached,),
        tag=_TAG,
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Have every event of the chosen types sent to `url`, from now on, beside each order's `notify_url`.

        Keep `secret`: it verifies what is sent here and is not shown again. You can have 16 endpoints.
        """
        body = decode_body(request, CreateWebhookEndpoint)
        made = create_endpoint(merchant_no=self.identity.merchant_no, body=body)
        return json_response(made, status=201)

    @operation(
        name="list_webhook_endpoints",
        summary="List webhook endpoints, newest first",
        query=ListWebhookEndpoints,
        responses={200: WebhookEndpointList},
        answer_example=examples.ENDPOINT_LIST,
        tag=_TAG,
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List your endpoints, the switched-off ones too."""
        query = decode_query(request, ListWebhookEndpoints)
        page, following = list_endpoints_json(
            merchant_no=self.identity.merchant_no,
            limit=query.limit,
            before=check_cursor(query.cursor, ENDPOINT),
        )
        return page_response(page, following)


class WebhookEndpointItem(MerchantView):
    """/webhook-endpoints/{endpoint_id}"""

    @operation(
        name="get_webhook_endpoint",
        summary="Get a webhook endpoint",
        responses={200: WebhookEndpointView},
        answer_example=examples.ENDPOINT,
        tag=_TAG,
        path_descriptions=_PATH,
    )
    def get(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Tell what an endpoint is sent and whether it is on."""
        decode_query(request, NoBody)
        return json_response(
            get_endpoint(
                merchant_no=self.identity.merchant_no,
                endpoint_id=path_number(endpoint_id, ENDPOINT),
            )
        )

    @operation(
        name="change_webhook_endpoint",
        summary="Change a webhook endpoint",
        body=ChangeWebhookEndpoint,
        responses={200: WebhookEndpointView},
        request_example=examples.CHANGE_ENDPOINT,
        answer_example=examples.CHANGED_ENDPOINT,
        tag=_TAG,
        path_descriptions=_PATH,
    )
    def patch(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Change `url`, `events` or `enabled`; what you do not name stays.

        What already waits goes to the new `url`. Switching an endpoint off ends what waits for it: `POST
        /events/{event_id}/redeliver` sends an event again once it is on.
        """
        body = decode_body(request, ChangeWebhookEndpoint)
        return json_response(
            change_endpoint(
                merchant_no=self.identity.merchant_no,
                endpoint_id=path_number(endpoint_id, ENDPOINT),
                body=body,
            )
        )

    @operation(
        name="delete_webhook_endpoint",
        summary="Delete a webhook endpoint",
        responses={204: None},
        tag=_TAG,
        path_descriptions=_PATH,
    )
    def delete(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Take an endpoint away, with what waits for it; from then on it is not found."""
        decode_body(request, NoBody)
        delete_endpoint(
            merchant_no=self.identity.merchant_no, endpoint_id=path_number(endpoint_id, ENDPOINT)
        )
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response


class WebhookEndpointTest(MerchantView):
    """/webhook-endpoints/{endpoint_id}/test"""

    @operation(
        name="test_webhook_endpoint",
        summary="Send a test event to a webhook endpoint",
        body=NoBody,
        responses={202: SentTest},
        request_example={},
        answer_example=examples.TEST_SENT,
        errors=(WebhookEndpointDisabled,),
        tag=_TAG,
        path_descriptions=_PATH,
    )
    def post(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Send `webhook_endpoint.test` to this endpoint alone, whatever its `events`.

        `GET /events/{event_id}` shows what came back.
        """
        decode_body(request, NoBody)
        event_id = send_test_event(
            merchant_no=self.identity.merchant_no, endpoint_id=path_number(endpoint_id, ENDPOINT)
        )
        return json_response(SentTest(event_id=event_id), status=202)


class WebhookEndpointSecret(MerchantView):
    """/webhook-endpoints/{endpoint_id}/rotate-secret"""

    @operation(
        name="rotate_webhook_endpoint_secret",
        summary="Give a webhook endpoint a new secret",
        body=NoBody,
        responses={200: WebhookEndpointWithSecret},
        request_example={},
        answer_example=examples.NEW_ENDPOINT,
        tag=_TAG,
        path_descriptions=_PATH,
    )
    def post(self, request: HttpRequest, endpoint_id: str) -> HttpResponse:
        """Make a new `secret`. For 24 hours the previous one signs beside it: two `v1` signatures, either verifies."""
        decode_body(request, NoBody)
        return json_response(
            rotate_endpoint_secret(
                merchant_no=self.identity.merchant_no,
                endpoint_id=path_number(endpoint_id, ENDPOINT),
            )
        )
