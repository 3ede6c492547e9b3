"""Late money in the merchant API: list, and decide when asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.authentication import MerchantView
from acquiring.contracts import LateMoneyView
from acquiring.services.late_money import decide_late_money, list_late_money
from acquiring.views import examples
from engine.contracts import (
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyNotOpen,
    LateMoneyStatus,
)
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.numbers import LATE_MONEY, is_number
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, json_response, path_number


class ListLateMoney(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of GET /late-money."""

    status: LateMoneyStatus | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: str | None = None


class LateMoneyList(msgspec.Struct, frozen=True):
    """One page of late money, newest first."""

    data: list[LateMoneyView]
    has_more: bool
    next_cursor: str | None


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
        if query.cursor is not None and not is_number(query.cursor, LATE_MONEY):
            detail = "not a cursor of this list"
            raise InvalidRequest(detail, errors=(FieldError("cursor", "format", detail),))
        page, following = list_late_money(
            merchant_no=self.identity.merchant_no,
            limit=query.limit,
            before=query.cursor,
            status=query.status,
        )
        return json_response(
            LateMoneyList(data=page, has_more=following is not None, next_cursor=following)
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
        errors=(LateMoneyNotAsked, LateMoneyNotOpen),
        tag="late money",
        path_descriptions={"late_money_no": "Our number of the late money, `ltm_…`."},
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
