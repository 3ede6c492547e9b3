"""The reply is lost after the commit: the repetition gives byte for byte what nobody heard."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest

from tests.cutting_proxy import CuttingProxy, cutting_proxy
from tests.live import LiveMerchant, LivePlatform
from tests.makers import order_body


def refund_body(merchant: LiveMerchant) -> dict[str, Any]:
    """The body of a refund of a fresh order that is paid already."""
    order_no = merchant.create(metadata={"sandbox_scenario": "success"})["order_no"]
    merchant.pay(order_no, "BALANCE", payer_token=merchant.payer_token(merchant.platform.payer()))
    return {"order_no": order_no, "merchant_refund_no": secrets.token_hex(8), "amount": 1_00}


def test_a_reply_that_is_cut_off_is_given_again_byte_for_byte(platform: LivePlatform):
    merchant = platform.merchant()
    requests = [("orders", order_body()), ("refunds", refund_body(merchant))]
    with cutting_proxy(platform.base_url) as proxy, client_of(merchant, proxy) as client:
        for path, body in requests:
            key = {"Idempotency-Key": secrets.token_urlsafe(16)}
            proxy.cut_next()
            with pytest.raises(httpx.TransportError):
                client.post(path, json=body, headers=key)
            unheard = proxy.replies[-1].partition(b"\r\n\r\n")[2]
            again = client.post(path, json=body, headers=key)
            assert (again.status_code, again.content) == (201, unheard)
            assert again.headers["Idempotent-Replayed"] == "true"
    assert [len(merchant.api.get(path).json()["data"]) for path, _ in requests] == [2, 1]
    kept = platform.sql(
        "SELECT answer_status, fence FROM acquiring_idempotency_key WHERE merchant_no = %s",
        merchant.merchant_no,
    )
    assert [tuple(row.values()) for row in kept] == [(201, 1), (201, 1)]


def client_of(merchant: LiveMerchant, proxy: CuttingProxy) -> httpx.Client:
    """The merchant's client, one connection for each request, through the proxy."""
    return httpx.Client(
        base_url=f"{proxy.url}/api/v1/",
        headers={"Authorization": f"Bearer {merchant.secret_key}", "Connection": "close"},
        timeout=30.0,
        trust_env=False,
    )
