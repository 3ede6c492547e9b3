"""A merchant's balances and statements."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date as Date  # noqa: N812 - the path's own name is ``date``
from typing import Annotated, Any, Final, Literal

import msgspec
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from acquiring.authentication import MerchantView
from acquiring.book_contracts import BalanceOfCurrency, StatementNotReady
from acquiring.merchant_books import check_day_is_over, list_merchant_balances, write_statement
from acquiring.statement_file import StatementLine, Totals, write_end, write_header, write_lines
from paymentplatform.kernel.fields import shown
from paymentplatform.kernel.lists import NoBody, build_fault
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import decode_query, json_response

_CSV: Final = "text/csv"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_BALANCE_EXAMPLE: Final[list[dict[str, Any]]] = [
    {"currency": "CNY", "pending": 127923, "available": 0, "in_transit": 0}
]


def _write_example() -> str:
    """Write a short day as the file would be."""
    paid = StatementLine(
        type="PAYMENT",
        time="2026-01-31T08:01:12.345Z",
        currency="CNY",
        amount=1280,
        order_no="ord_01kg9r1f7m8q2s4v6x0z2b",
        merchant_order_no="TEA-1001",
        payment_no="pay_01kg9r1g3c5e7h9k1n3q5s",
        method="QR_CODE",
    )
    lines = [paid, replace(paid, type="FEE", amount=-8)]
    totals = Totals()
    for line in lines:
        totals.add(line.currency, line.type, amount=line.amount)
    return (write_header() + write_lines(lines) + write_end(totals)).decode()


class StatementQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of GET /statements/{date}."""

    kind: Annotated[
        Literal["detail", "summary"], shown("Every fact and the totals, or the totals alone.")
    ] = "detail"


class Balance(MerchantView):
    """/balance"""

    @operation(
        name="get_balance",
        summary="Get your balances",
        responses={200: list[BalanceOfCurrency]},
        answer_example=_BALANCE_EXAMPLE,
        tag="balance and statements",
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Tell what we owe you now, one entry for each currency you have had; out of the ledger, not a cache."""
        decode_query(request, NoBody)
        return json_response(list_merchant_balances(merchant_no=self.identity.merchant_no))


class Statement(MerchantView):
    """/statements/{date}"""

    @operation(
        name="get_statement",
        summary="Get the statement of a business day",
        query=StatementQuery,
        responses={200: _CSV},
        answer_example=_write_example(),
        errors=(StatementNotReady,),
        tag="balance and statements",
        path_descriptions={
            "date": "The business day, `YYYY-MM-DD`; ready ten minutes after it is over."
        },
    )
    def get(self, request: HttpRequest, date: str) -> HttpResponseBase:
        """Get every fact of a day that changed what we owe you, as CSV with totals and an end marker.

        The file is sent while it is written. One without its `END` record has broken off: get it again.
        """
        query = decode_query(request, StatementQuery)
        day = _read_day(date)
        name = f'attachment; filename="statement-{day}-{query.kind}.csv"'
        headers = {"Content-Disposition": name}
        media_type = f"{_CSV}; charset=utf-8; header=present"
        if request.method == "HEAD":
            check_day_is_over(day)
            return HttpResponse(b"", content_type=media_type, headers=headers)
        pieces = write_statement(
            merchant_no=self.identity.merchant_no, day=day, with_lines=query.kind == "detail"
        )
        return StreamingHttpResponse(pieces, content_type=media_type, headers=headers)


def _read_day(text: str) -> Date:
    try:
        if not _DAY.match(text):
            raise ValueError
        return Date.fromisoformat(text)
    except ValueError:
        raise build_fault("date", "a day such as 2026-01-31") from None
