"""Late money in the merchant API: list, and decide when asked."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import MerchantView
from acquiring.late_money_contracts import LateMoneyView
from acquiring.services.late_money import decide_late_money, get_late_money, list_late_money
from acquiring.views import examples
from acquiring.views.queries import (
    NoBody,
    PeriodQuery,
    check_cursor,
    check_merchant_number,
    check_number,
    encode_page,
)
from engine.contracts import (
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyNotOpen,
    LateMoneyOrderPaying,
    LateMoneyStatus,
    RefundNotSupported,
)
from paymentplatform.kernel.fields import HasMore, MerchantOrderNo, NextCursor, OrderNo, shown
from paymentplatform.kernel.numbers import LATE_MONEY, ORDER
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, json_response, path_number

_PATH: Final = {"late_money_no": "Our number of the late money, `ltm_…`."}


class ListLateMoney(PeriodQuery, frozen=True):
    """Query of GET /late-money."""

    order_no: OrderNo | None = None
    merchant_order_no: MerchantOrderNo | None = None
    status: Annotated[LateMoneyStatus, shown("Only those with this status.")] | None = None


class LateMoneyList(msgspec.Struct, frozen=True):
    """One page of late money, newest first."""

    data: Annotated[list[LateMoneyView], shown("Newest first.")]
    has_more: HasMore
    next_cursor: NextCursor | None


class DecideLateMoney(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /late-money/{late_money_no}/decision."""

    decision: LateMoneyDecision


class LateMoneyCollection(MerchantView):
    """/late-money"""

    @operation(
        name="list_late_money",
        summary="List money that came too late, newest first",
        query=ListLateMoney,
        responses={200: LateMoneyList},
        answer_example=examples.LATE_MONEY_LIST,
        tag="late money",
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List what channels took for trades of yours that could not use it any more."""
        query = decode_query(request, ListLateMoney)
        created_from, created_to = query.period()
        page, following = list_late_money(
            merchant_no=self.identity.merchant_no,
            limit=query.limit,
            before=check_cursor(query.cursor, LATE_MONEY),
            order_no=check_number("order_no", query.order_no, ORDER),
            merchant_order_no=check_merchant_number("merchant_order_no", query.merchant_order_no),
            status=query.status,
            created_from=created_from,
            created_to=created_to,
        )
        return encode_page(page, following)


class LateMoneyItem(MerchantView):
    """/late-money/{late_money_no}"""

    @operation(
        name="get_late_money",
        summary="Get late money",
        responses={200: LateMoneyView},
        answer_example=examples.LATE_MONEY,
        tag="late money",
        path_descriptions=_PATH,
    )
    def get(self, request: HttpRequest, late_money_no: str) -> HttpResponse:
        """Tell how late money stands."""
        decode_query(request, NoBody)
        return json_response(
            get_late_money(
                late_money_no=path_number(late_money_no, LATE_MONEY),
                merchant_no=self.identity.merchant_no,
            )
        )


class LateMoneyAnswer(MerchantView):
    """/late-money/{late_money_no}/decision"""

    @operation(
        name="decide_late_money",
        summary="Decide what becomes of late money you were asked about",
        body=DecideLateMoney,
        responses={200: LateMoneyView},
        request_example=examples.DECIDE_LATE_MONEY,
        answer_example=examples.HONOURED_LATE_MONEY,
        errors=(LateMoneyNotAsked, LateMoneyOrderPaying, LateMoneyNotOpen, RefundNotSupported),
        tag="late money",
        path_descriptions=_PATH,
    )
    def post(self, request: HttpRequest, late_money_no: str) -> HttpResponse:
        """Answer `late_money.pending`: give it back to the payer, or take it and deliver after all.

        Repeating your decision answers the same. Without one it goes back to the payer at `respond_by`.
        """
        body = decode_body(request, DecideLateMoney)
        return json_response(
            decide_late_money(
                late_money_no=path_number(late_money_no, LATE_MONEY),
                merchant_no=self.identity.merchant_no,
                decision=body.decision,
            )
        )
