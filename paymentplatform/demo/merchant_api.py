"""The two calls a shop makes: create an order, ask for it."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from paymentplatform_client import ApiError, Client, Order, ResultUnknown, RetryPolicy

from paymentplatform.demo.credentials import load_credentials
from paymentplatform.demo.models import ShopOrder

FAILURES: Final = (ApiError, ResultUnknown)
"""No answer, or not the one asked for. The call may be repeated: the shop's number stays the same."""

_A_BUYER_WAITS: Final = RetryPolicy(tries=2, first_wait_s=0.2, give_up_after_s=10)


def create_order(*, order: ShopOrder, description: str) -> Order:
    """Create the order at the platform, or get the first answer again. Raises FAILURES."""
    address = f"{settings.BASE_URL}/demo"
    with _open_client() as client:
        return client.create_order(
            merchant_order_no=order.merchant_order_no,
            amount=order.amount,
            currency=order.currency,
            subject=order.subject,
            description=description,
            notify_url=f"{address}/webhook",
            return_url=f"{address}/orders/{order.merchant_order_no}",
        )


def get_order(*, order_no: str) -> Order:
    """Ask the platform for an order. Raises FAILURES."""
    with _open_client() as client:
        return client.get_order(order_no)


def _open_client() -> Client:
    return Client(
        base_url=settings.BASE_URL,
        secret_key=load_credentials().secret_key,
        retry=_A_BUYER_WAITS,
    )
