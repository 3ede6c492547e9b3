"""A client of the live platform, and one whose connection loses answers after the platform has done its part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from paymentplatform_client import Client, RetryPolicy

from tests.live import LiveMerchant, LivePlatform

SOON = RetryPolicy(tries=4, first_wait_s=0.01, longest_wait_s=0.05, give_up_after_s=30)


@dataclass
class LossyConnection(httpx.BaseTransport):
    """Sends every request; loses the answers of the next ``losing`` ones to this path."""

    path: str
    losing: int
    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)
    sent: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inner.handle_request(request)
        self.sent.append(f"{request.method} {request.url.path.removeprefix('/api/v1')}")
        if request.url.path.endswith(self.path) and request.method == "POST" and self.losing:
            self.losing -= 1
            answer.read()
            answer.close()
            message = "the answer got lost"
            raise httpx.ReadTimeout(message)
        return answer


@pytest.fixture
def shop(platform: LivePlatform) -> LiveMerchant:
    """A merchant of this test."""
    return platform.merchant()


@pytest.fixture
def client(shop: LiveMerchant) -> Iterator[Client]:
    """A client with an undisturbed connection."""
    made = Client(base_url=shop.platform.base_url, secret_key=shop.secret_key, retry=SOON)
    with made:
        yield made


@pytest.fixture
def lossy(shop: LiveMerchant) -> Callable[[str, int], tuple[Client, LossyConnection]]:
    """``lossy("/orders", 1)``: a client that loses the first answer to POST /orders, and its connection."""

    def make(path: str, losing: int) -> tuple[Client, LossyConnection]:
        connection = LossyConnection(path, losing)
        http = httpx.Client(transport=connection)
        made = Client(
            base_url=shop.platform.base_url, secret_key=shop.secret_key, retry=SOON, http=http
        )
        return made, connection

    return make
