"""Requests to channels under fresh numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from engine.channels.base import AttemptReference, PayRequest, RefundRequest
from paymentplatform.kernel import numbers


def make_request(
    *,
    scenario: str = "",
    token: str = "",
    method: str = "",
    amount: int = 1234,
    expires_in_s: float = 600,
    notify_url: str = "http://127.0.0.1:9/notify",
    **changes: Any,
) -> PayRequest:
    """Make a pay request; ``scenario`` and ``token`` choose how the sandbox behaves."""
    values: dict[str, Any] = {
        "request_no": numbers.new_number(numbers.ATTEMPT),
        "payment_no": numbers.new_number(numbers.PAYMENT),
        "order_no": numbers.new_number(numbers.ORDER),
        "method": method or ("BANK_CARD" if token else "QR_CODE"),
        "amount": amount,
        "currency": "CNY",
        "subject": "龙井茶 <250 g>",
        "expires_at": datetime.now(UTC) + timedelta(seconds=expires_in_s),
        "notify_url": notify_url,
        "return_url": "http://127.0.0.1:9/return",
        "options": {"card_token": token} if token else {},
        "metadata": {"sandbox_scenario": scenario} if scenario else {},
    }
    return PayRequest(**values | changes)


def reference(request: PayRequest) -> AttemptReference:
    """Name a pay request for query and close."""
    return AttemptReference(
        request_no=request.request_no,
        payment_no=request.payment_no,
        order_no=request.order_no,
        amount=request.amount,
        currency=request.currency,
        metadata=request.metadata,
    )


def refund_of(request: PayRequest, trade_no: str, *, amount: int | None = None) -> RefundRequest:
    """Ask to give (part of) a charge back under a fresh number."""
    return RefundRequest(
        refund_no=numbers.new_number(numbers.REFUND),
        attempt=reference(request),
        channel_trade_no=trade_no,
        amount=request.amount if amount is None else amount,
        currency=request.currency,
        reason="",
    )
