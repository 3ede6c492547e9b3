"""Orders in the merchant API: create, query, list, close."""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import HotMerchantView, MerchantView
from acquiring.contracts import (
    CloseReason,
    CreateOrder,
    OrderAlreadyPaid,
    OrderConflict,
    OrderFailed,
    OrderStatus,
    OrderView,
)
from acquiring.selectors import get_order_json, list_orders_json
from acquiring.services.closing import CloseResult, close_order
from acquiring.services.orders import create_order
from acquiring.views import examples
from acquiring.views.queries import (
    NoBody,
    PeriodQuery,
    check_cursor,
    check_merchant_number,
    page_response,
    rendered_response,
)
from paymentplatform.kernel.fields import HasMore, MerchantOrderNo, NextCursor, shown
from paymentplatform.kernel.numbers import ORDER
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, path_number

_ORDER_PATH = {"order_no": "Our number of the order, `ord_…`."}


class ListOrders(PeriodQuery, frozen=True):
    """Query of GET /orders."""

    merchant_order_no: MerchantOrderNo | None = None
    status: Annotated[OrderStatus, shown("Only those with this status.")] | None = None


class OrderList(msgspec.Struct, frozen=True):
    """One page of orders, newest first."""

    data: Annotated[list[OrderView], shown("Newest first.")]
    has_more: HasMore
    next_cursor: NextCursor | None


class OrderCollection(HotMerchantView):
    """/orders"""

    @operation(
        name="create_order",
        summary="Create an order",
        body=CreateOrder,
        responses={201: OrderView, 200: OrderView},
        request_example=examples.CREATE_ORDER,
        answer_example=examples.ORDER,
        errors=(OrderConflict,),
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Create an order. The same `merchant_order_no` with the same body answers 200 with the same order."""
        body = decode_body(request, CreateOrder)
        made, order_json = create_order(body=body, merchant=self.identity)
        return rendered_response(order_json, 201 if made else 200)

    @operation(
        name="list_orders",
        summary="List orders, newest first",
        query=ListOrders,
        responses={200: OrderList},
        answer_example=examples.ORDER_LIST,
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List your orders. Pass `next_cursor` as `cursor` to go on; there are no offsets and no totals."""
        # A list is not a hot path and its statement does not check the key again.
        merchant = self.confirm(request)
        query = decode_query(request, ListOrders)
        created_from, created_to = query.period()
        page, following = list_orders_json(
            merchant=merchant,
            limit=query.limit,
            before=check_cursor(query.cursor, ORDER),
            merchant_order_no=check_merchant_number("merchant_order_no", query.merchant_order_no),
            status=query.status,
            created_from=created_from,
            created_to=created_to,
        )
        return page_response(page, following)


class OrderItem(HotMerchantView):
    """/orders/{order_no}"""

    @operation(
        name="get_order",
        summary="Get an order",
        responses={200: OrderView},
        answer_example=examples.PAID_ORDER,
        path_descriptions=_ORDER_PATH,
    )
    def get(self, request: HttpRequest, order_no: str) -> HttpResponse:
        """Tell how an order stands: the answer to ask for whenever you are not sure."""
        decode_query(request, NoBody)
        return rendered_response(get_order_json(merchant=self.identity, order_no=order_no), 200)


class OrderClose(MerchantView):
    """/orders/{order_no}/close"""

    @operation(
        name="close_order",
        summary="Close an unpaid order",
        body=NoBody,
        responses={200: OrderView, 202: OrderView},
        request_example={},
        answer_example=examples.CLOSED_ORDER,
        errors=(OrderAlreadyPaid, OrderFailed),
        path_descriptions=_ORDER_PATH,
    )
    def post(self, request: HttpRequest, order_no: str) -> HttpResponse:
        """Close an order: 200 when it is CLOSED, 202 while a live payment is still being closed."""
        decode_body(request, NoBody)
        path_number(order_no, ORDER)
        result = close_order(
            order_no=order_no,
            merchant_no=self.identity.merchant_no,
            reason=CloseReason.MERCHANT,
            cause="api",
        )
        order_json = get_order_json(merchant=self.identity, order_no=order_no)
        return rendered_response(order_json, 200 if result is CloseResult.CLOSED else 202)
