"""The two calls a shop makes: create an order, ask for it. Bearer key, JSON, a time limit."""

from __future__ import annotations

from typing import Any, Final

import httpx
from django.conf import settings

from paymentplatform.demo.credentials import load_credentials
from paymentplatform.demo.models import ShopOrder

TIMEOUT_S: Final = 10.0


class MerchantApiFailed(Exception):
    """No answer, or not the one asked for. The call may be repeated: the shop's number stays the same."""


def create_order(*, order: ShopOrder, description: str) -> dict[str, Any]:
    """Create the order at the platform, or get the first answer again. Raises MerchantApiFailed."""
    address = f"{settings.BASE_URL}/demo"
    body = {
        "merchant_order_no": order.merchant_order_no,
        "amount": order.amount,
        "currency": order.currency,
        "subject": order.subject,
        "description": description,
        "notify_url": f"{address}/webhook",
        "return_url": f"{address}/orders/{order.merchant_order_no}",
    }
    return _call("POST", "/orders", json=body)


def get_order(*, order_no: str) -> dict[str, Any]:
    """Ask the platform for an order. Raises MerchantApiFailed."""
    return _call("GET", f"/orders/{order_no}")


def _call(method: str, path: str, **parts: Any) -> dict[str, Any]:
    key = load_credentials().secret_key
    try:
        answer = httpx.request(
            method,
            f"{settings.BASE_URL}/api/v1{path}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
            **parts,
        )
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise MerchantApiFailed(str(error)) from error
    if not answer.is_success or not isinstance(body, dict):
        raise MerchantApiFailed(f"{answer.status_code} {body}")
    return body
