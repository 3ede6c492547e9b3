"""Events in the merchant API: list, get, deliver again."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import MerchantView
from acquiring.contracts import NoDeliveryTarget
from acquiring.event_contracts import DeliveryStatus, EventView
from acquiring.event_selectors import get_event, list_events_page
from acquiring.event_types import EventType
from acquiring.services.redeliveries import redeliver_event
from acquiring.views import event_examples
from paymentplatform.kernel import fields
from paymentplatform.kernel.fields import NUMBER_BODY, shown
from paymentplatform.kernel.lists import NoBody, build_fault, check_cursor, parse_period
from paymentplatform.kernel.numbers import EVENT
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, json_response, path_number

_OBJECT_NO: Final = re.compile(f"[a-z]{{3}}_{NUMBER_BODY}")
_EVENT_PATH = {"event_id": "The id of the event, `evt_…`: its `webhook-id`."}


class ListEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of GET /events."""

    type: Annotated[EventType, shown("Only events of this type.")] | None = None
    object_no: (
        Annotated[
            str,
            shown(
                "Only events about this order, refund or other object of ours.",
                pattern=f"^[a-z]{{3}}_{NUMBER_BODY}$",
            ),
        ]
        | None
    ) = None
    delivery_status: (
        Annotated[
            DeliveryStatus,
            shown("Only events of which the last delivery to at least one target stands so."),
        ]
        | None
    ) = None
    created_from: Annotated[str, shown("From then on.", format="date-time")] | None = None
    created_to: Annotated[str, shown("Before then.", format="date-time")] | None = None
    limit: fields.Limit = 20
    cursor: fields.Cursor | None = None


class EventList(msgspec.Struct, frozen=True):
    """One page of events, newest first."""

    data: Annotated[list[EventView], shown("Newest first.")]
    has_more: fields.HasMore
    next_cursor: fields.NextCursor | None


class EventCollection(MerchantView):
    """/events"""

    @operation(
        name="list_events",
        summary="List events, newest first",
        query=ListEvents,
        responses={200: EventList},
        answer_example=event_examples.EVENT_LIST,
        tag="events",
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List what you were told, or should have been, with each delivery and each try.

        `delivery_status=DEAD` lists what failed to reach you: events of which the last delivery to at least one of
        your addresses ended so. `object_no` is the number of an order, a refund or other object.
        """
        query = decode_query(request, ListEvents)
        if query.object_no is not None and _OBJECT_NO.fullmatch(query.object_no) is None:
            raise build_fault("object_no", "a number of ours, such as ord_…")
        created_from, created_to = parse_period(query.created_from, query.created_to)
        page, following = list_events_page(
            merchant_no=self.identity.merchant_no,
            limit=query.limit,
            before=check_cursor(query.cursor, EVENT),
            event_type=query.type,
            object_no=query.object_no,
            delivery_status=query.delivery_status,
            created_from=created_from,
            created_to=created_to,
        )
        return json_response(
            EventList(data=page, has_more=following is not None, next_cursor=following)
        )


class EventItem(MerchantView):
    """/events/{event_id}"""

    @operation(
        name="get_event",
        summary="Get an event",
        responses={200: EventView},
        answer_example=event_examples.EVENT,
        tag="events",
        path_descriptions=_EVENT_PATH,
    )
    def get(self, request: HttpRequest, event_id: str) -> HttpResponse:
        """Tell what an event said, where it was sent and what came back at each try."""
        decode_query(request, NoBody)
        return json_response(
            get_event(merchant_no=self.identity.merchant_no, event_id=path_number(event_id, EVENT))
        )


class EventRedelivery(MerchantView):
    """/events/{event_id}/redeliver"""

    @operation(
        name="redeliver_event",
        summary="Have an event delivered again",
        body=NoBody,
        responses={202: EventView},
        request_example={},
        answer_example=event_examples.WAITING_EVENT,
        errors=(NoDeliveryTarget,),
        tag="events",
        path_descriptions=_EVENT_PATH,
    )
    def post(self, request: HttpRequest, event_id: str) -> HttpResponse:
        """Send the event once more, under the same id: to its order's `notify_url` and every enabled endpoint that
        wants it; a `webhook_endpoint.test` to the endpoint that was tested.

        A delivery that still waits for its next try is tried now instead; pressing twice at once sends once.
        """
        decode_body(request, NoBody)
        number = path_number(event_id, EVENT)
        redeliver_event(event_id=number, merchant_no=self.identity.merchant_no)
        event = get_event(merchant_no=self.identity.merchant_no, event_id=number)
        return json_response(event, status=202)
