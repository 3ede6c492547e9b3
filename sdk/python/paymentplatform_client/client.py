"""The calls of the merchant API. Safe to repeat: every creation carries a number of yours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from paymentplatform_client.agreement_calls import AgreementCalls
from paymentplatform_client.book_calls import BookCalls
from paymentplatform_client.calling import given, in_path
from paymentplatform_client.errors import ResultUnknown
from paymentplatform_client.event_calls import EventCalls
from paymentplatform_client.objects import (
    Method,
    MethodOffer,
    Order,
    OrderStatus,
    PayResult,
    Refund,
    RefundStatus,
    Terminal,
)
from paymentplatform_client.parsing import Page, iterate, parse


class Client(EventCalls, AgreementCalls, BookCalls):
    """``with Client(base_url=…, secret_key=…) as client: order = client.create_order(…)``. Thread-safe as httpx is.

    Every call raises ApiError (its subclasses by status) for a refusal, and ResultUnknown when no answer came after
    every try: then it may have taken effect, and asking with the same number tells.
    """

    def create_order(
        self,
        *,
        merchant_order_no: str,
        amount: int,
        currency: str,
        subject: str,
        description: str | None = None,
        expires_in: int | None = None,
        notify_url: str | None = None,
        return_url: str | None = None,
        allowed_methods: Iterable[Method] | None = None,
        payer_ref: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Order:
        """Create an order, or get it again: the same number with the same fields is the same order."""
        body = {
            "merchant_order_no": merchant_order_no,
            "amount": amount,
            "currency": currency,
            "subject": subject,
            "description": description,
            "expires_in": expires_in,
            "notify_url": notify_url,
            "return_url": return_url,
            "allowed_methods": [str(method) for method in allowed_methods or ()] or None,
            "payer_ref": payer_ref,
            "metadata": dict(metadata) if metadata is not None else None,
        }
        return parse(Order, self._call("POST", "/orders", body=given(body)))

    def get_order(self, order_no: str) -> Order:
        """Ask how an order stands."""
        return parse(Order, self._call("GET", f"/orders/{in_path(order_no)}"))

    def find_order(self, merchant_order_no: str) -> Order | None:
        """Ask by your own number; None when the order was never created."""
        page = self.list_orders(merchant_order_no=merchant_order_no, limit=1)
        return page.data[0] if page.data else None

    def list_orders(
        self,
        *,
        merchant_order_no: str | None = None,
        status: OrderStatus | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Order]:
        """List orders, newest first. Times are RFC 3339 with an offset."""
        return self._list(
            Order,
            "/orders",
            merchant_order_no=merchant_order_no,
            status=status,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            cursor=cursor,
        )

    def iterate_orders(self, *, status: OrderStatus | None = None) -> Iterator[Order]:
        """Go through all orders, newest first, page by page."""
        return iterate(self.list_orders, status=status)

    def list_payment_methods(
        self,
        order_no: str,
        *,
        locale: str = "en",
        terminal: Terminal | None = None,
        payer_token: str | None = None,
    ) -> tuple[MethodOffer, ...]:
        """Ask which methods an order can be paid with: in this language, on this terminal (WEB unless told).

        With a ``payer_token`` also whether this payer's balance would do.
        """
        body = {"locale": locale, "terminal": terminal, "payer_token": payer_token}
        path = f"/orders/{in_path(order_no)}/payment-methods"
        answer = self._call("POST", path, body=given(body))
        return tuple(parse(MethodOffer, item) for item in answer["methods"])

    def pay_order(
        self,
        order_no: str,
        *,
        method: Method,
        options: Mapping[str, str] | None = None,
        use_balance: bool = False,
        balance_amount: int | None = None,
        terminal: Terminal | None = None,
    ) -> PayResult:
        """Start a payment, or get the one that is under way with the same method and options.

        After an unclear answer the order is asked first: what was started is returned and not started again. Where
        the order's latest payment has failed nobody can tell whether it was this one: ResultUnknown, look and decide.
        """
        body = {
            "method": str(method),
            "options": dict(options) if options else None,
            "use_balance": use_balance or None,
            "balance_amount": balance_amount,
            "terminal": terminal,
        }

        def ask() -> dict[str, Any] | None:
            order = self._ask(order_no)
            payment = order["payment"]
            if payment is None:
                return None
            if order["status"] == OrderStatus.INIT:
                raise ResultUnknown(
                    f"{order_no}: its latest payment {payment['payment_no']} failed"
                )
            known = {name: payment[name] for name in ("payment_no", "status", "failure_code")}
            return {**known, "action": {"type": "none"}}

        path = f"/orders/{in_path(order_no)}/pay"
        return parse(PayResult, self._call("POST", path, body=given(body), ask=ask))

    def close_order(self, order_no: str) -> Order:
        """Close an unpaid order. Look at ``status``: while ``closing`` it may still turn out to be paid."""

        def ask() -> dict[str, Any] | None:
            order = self._ask(order_no)
            return (
                dict(order) if order["closing"] or order["status"] == OrderStatus.CLOSED else None
            )

        path = f"/orders/{in_path(order_no)}/close"
        return parse(Order, self._call("POST", path, ask=ask))

    def create_refund(
        self,
        *,
        merchant_refund_no: str,
        amount: int,
        order_no: str | None = None,
        merchant_order_no: str | None = None,
        reason: str | None = None,
    ) -> Refund:
        """Give money back, or get the same refund again. Never send it under another number while PROCESSING."""
        body = {
            "merchant_refund_no": merchant_refund_no,
            "amount": amount,
            "order_no": order_no,
            "merchant_order_no": merchant_order_no,
            "reason": reason,
        }
        return parse(Refund, self._call("POST", "/refunds", body=given(body)))

    def get_refund(self, refund_no: str) -> Refund:
        """Ask how a refund stands."""
        return parse(Refund, self._call("GET", f"/refunds/{in_path(refund_no)}"))

    def list_refunds(
        self,
        *,
        merchant_refund_no: str | None = None,
        order_no: str | None = None,
        merchant_order_no: str | None = None,
        status: RefundStatus | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[Refund]:
        """List refunds, newest first. Times are RFC 3339 with an offset."""
        return self._list(
            Refund,
            "/refunds",
            merchant_refund_no=merchant_refund_no,
            order_no=order_no,
            merchant_order_no=merchant_order_no,
            status=status,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            cursor=cursor,
        )

    def _ask(self, order_no: str) -> Any:
        return self._transport.send("GET", f"/orders/{in_path(order_no)}")
