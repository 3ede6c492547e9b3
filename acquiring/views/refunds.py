"""Refunds in the merchant API: create, query, list."""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import HotMerchantView, MerchantView
from acquiring.contracts import (
    CreateRefund,
    OrderNotPaid,
    RefundConflict,
    RefundExceedsPaid,
    RefundLimitReached,
    RefundView,
    RefundWindowOver,
)
from acquiring.selectors import get_refund_json, list_refunds_json
from acquiring.services.refunds import create_refund
from acquiring.views import examples
from acquiring.views.queries import (
    NoBody,
    PeriodQuery,
    check_cursor,
    check_merchant_number,
    check_number,
    page_response,
    rendered_response,
)
from engine.contracts import InsufficientMerchantBalance, RefundNotSupported, RefundStatus
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.fields import (
    HasMore,
    MerchantOrderNo,
    MerchantRefundNo,
    NextCursor,
    OrderNo,
    shown,
)
from paymentplatform.kernel.numbers import ORDER, REFUND
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, path_number


class ListRefunds(PeriodQuery, frozen=True):
    """Query of GET /refunds."""

    merchant_refund_no: MerchantRefundNo | None = None
    order_no: OrderNo | None = None
    merchant_order_no: MerchantOrderNo | None = None
    status: Annotated[RefundStatus, shown("Only those with this status.")] | None = None


class RefundList(msgspec.Struct, frozen=True):
    """One page of refunds, newest first."""

    data: Annotated[list[RefundView], shown("Newest first.")]
    has_more: HasMore
    next_cursor: NextCursor | None


class RefundCollection(HotMerchantView):
    """/refunds"""

    @operation(
        name="create_refund",
        summary="Refund a paid order, wholly or in part",
        body=CreateRefund,
        responses={201: RefundView, 200: RefundView},
        request_example=examples.CREATE_REFUND,
        answer_example=examples.REFUND,
        errors=(
            NotFound,
            RefundConflict,
            OrderNotPaid,
            RefundExceedsPaid,
            RefundLimitReached,
            RefundWindowOver,
            InsufficientMerchantBalance,
            RefundNotSupported,
        ),
        tag="refunds",
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Give money back. 201 the first time, 200 with the same refund whenever you repeat the same body.

        `PROCESSING` is no failure: we repeat it at the channel until the answer is certain, and then tell you by
        `refund.success` or `refund.failed`. Never send it again under another number meanwhile.
        """
        body = decode_body(request, CreateRefund)
        made, refund_json = create_refund(body=body, merchant=self.identity)
        return rendered_response(refund_json, 201 if made else 200)

    @operation(
        name="list_refunds",
        summary="List refunds, newest first",
        query=ListRefunds,
        responses={200: RefundList},
        answer_example=examples.REFUND_LIST,
        tag="refunds",
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List your refunds. Pass `next_cursor` as `cursor` to go on."""
        merchant = self.confirm(request)  # as for the list of orders
        query = decode_query(request, ListRefunds)
        created_from, created_to = query.period()
        page, following = list_refunds_json(
            merchant=merchant,
            limit=query.limit,
            before=check_cursor(query.cursor, REFUND),
            merchant_refund_no=check_merchant_number(
                "merchant_refund_no", query.merchant_refund_no
            ),
            order_no=check_number("order_no", query.order_no, ORDER),
            merchant_order_no=check_merchant_number("merchant_order_no", query.merchant_order_no),
            status=query.status,
            created_from=created_from,
            created_to=created_to,
        )
        return page_response(page, following)


class RefundItem(MerchantView):
    """/refunds/{refund_no}"""

    @operation(
        name="get_refund",
        summary="Get a refund",
        responses={200: RefundView},
        answer_example=examples.REFUND,
        tag="refunds",
        path_descriptions={"refund_no": "Our number of the refund, `rfd_…`."},
    )
    def get(self, request: HttpRequest, refund_no: str) -> HttpResponse:
        """Tell how a refund stands."""
        decode_query(request, NoBody)
        found = get_refund_json(
            merchant_no=self.identity.merchant_no, refund_no=path_number(refund_no, REFUND)
        )
        return rendered_response(found, 200)
