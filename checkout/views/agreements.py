"""Payer agreements in the merchant API: ask a payer for one, look at them, end them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse

from acquiring.api import MerchantView
from checkout.agreement_contracts import AgreementStatus, AgreementView, CreateAgreement
from checkout.services.agreements import (
    get_agreement,
    list_agreements,
    request_agreement,
    revoke_own_agreement,
)
from paymentplatform.kernel import fields
from paymentplatform.kernel.fields import shown
from paymentplatform.kernel.lists import NoBody, PeriodQuery, check_cursor, encode_page
from paymentplatform.kernel.numbers import AGREEMENT
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_body, decode_query, json_response, path_number

_PATH: Final = {"agreement_no": "Our number of the agreement, `agr_…`."}
_CREATE_EXAMPLE: Final[dict[str, Any]] = {
    "max_per_payment": 5000,
    "max_per_day": 20000,
    "return_url": "https://shop.example/account",
    "subject": "Tea every month",
    "payer_ref": "customer-7",
}
_PENDING_EXAMPLE: Final[dict[str, Any]] = {
    "agreement_no": "agr_01k0000000000000000005",
    "status": "PENDING",
    "currency": "CNY",
    "max_per_payment": 5000,
    "max_per_day": 20000,
    "subject": "Tea every month",
    "payer_ref": "customer-7",
    "return_url": "https://shop.example/account",
    "agreement_url": "https://pay.example/agreements/01k0000000000000000005q5Xw0u0cXn1ZkQ2y8n3vYb7a",
    "payer_token": None,
    "created_at": "2026-01-31T08:00:00.000Z",
    "expires_at": "2026-01-31T08:30:00.000Z",
    "consented_at": None,
    "revoked_at": None,
}
_ACTIVE_EXAMPLE: Final = _PENDING_EXAMPLE | {
    "status": "ACTIVE",
    "agreement_url": None,
    "payer_token": "pt_Yk3vR0m1c2X4u5b6n7q8w9e0r1t2y3u4i5o6p7a8s9d",
    "consented_at": "2026-01-31T08:02:10.000Z",
}
_REVOKED_EXAMPLE: Final = _ACTIVE_EXAMPLE | {
    "status": "REVOKED",
    "payer_token": None,
    "revoked_at": "2026-02-14T10:00:00.000Z",
}
_LIST_EXAMPLE: Final = {
    "data": [_ACTIVE_EXAMPLE | {"payer_token": None}],
    "has_more": False,
    "next_cursor": None,
}


class ListAgreements(PeriodQuery, frozen=True):
    """Query of GET /payer-agreements."""

    status: Annotated[AgreementStatus, shown("Only those with this status.")] | None = None
    payer_ref: Annotated[str, fields.shown("Your name of the payer.")] | None = None


class AgreementList(msgspec.Struct, frozen=True):
    """One page of agreements, newest first."""

    data: Annotated[list[AgreementView], shown("Newest first.")]
    has_more: fields.HasMore
    next_cursor: fields.NextCursor | None


class AgreementCollection(MerchantView):
    """/payer-agreements"""

    @operation(
        name="create_payer_agreement",
        summary="Ask a payer for an agreement",
        body=CreateAgreement,
        responses={201: AgreementView},
        request_example=_CREATE_EXAMPLE,
        answer_example=_PENDING_EXAMPLE,
        tag="payer agreements",
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Make a request for consent. Send the payer to `agreement_url`; it can be answered for half an hour.

        There is no number of yours in it: send an `Idempotency-Key`, or two requests make two agreements.
        """
        body = decode_body(request, CreateAgreement)
        return json_response(request_agreement(body=body, merchant=self.identity), status=201)

    @operation(
        name="list_payer_agreements",
        summary="List agreements, newest first",
        query=ListAgreements,
        responses={200: AgreementList},
        answer_example=_LIST_EXAMPLE,
        tag="payer agreements",
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """List the agreements you asked for, and those an operator recorded for you; never with their tokens."""
        query = decode_query(request, ListAgreements)
        created_from, created_to = query.period()
        page, following = list_agreements(
            merchant_no=self.identity.merchant_no,
            limit=query.limit,
            before=check_cursor(query.cursor, AGREEMENT),
            status=query.status,
            payer_ref=query.payer_ref,
            created_from=created_from,
            created_to=created_to,
        )
        return encode_page(page, following)


class AgreementItem(MerchantView):
    """/payer-agreements/{agreement_no}"""

    @operation(
        name="get_payer_agreement",
        summary="Get an agreement",
        responses={200: AgreementView},
        answer_example=_ACTIVE_EXAMPLE,
        tag="payer agreements",
        path_descriptions=_PATH,
    )
    def get(self, request: HttpRequest, agreement_no: str) -> HttpResponse:
        """Tell how an agreement stands. For ten minutes after the consent `payer_token` is in the answer."""
        decode_query(request, NoBody)
        return json_response(
            get_agreement(
                agreement_no=path_number(agreement_no, AGREEMENT),
                merchant_no=self.identity.merchant_no,
            )
        )

    @operation(
        name="revoke_payer_agreement",
        summary="End an agreement at once",
        responses={200: AgreementView},
        answer_example=_REVOKED_EXAMPLE,
        tag="payer agreements",
        path_descriptions=_PATH,
    )
    def delete(self, request: HttpRequest, agreement_no: str) -> HttpResponse:
        """End an agreement, or take back a request that nobody has answered. Repeating changes nothing.

        One that was declined or has expired stays as it ended. Payments accepted before go on.
        """
        decode_query(request, NoBody)
        decode_body(request, NoBody)
        return json_response(
            revoke_own_agreement(
                agreement_no=path_number(agreement_no, AGREEMENT),
                merchant_no=self.identity.merchant_no,
            )
        )
