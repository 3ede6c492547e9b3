"""One real institution per test process, the registered channels against it, and requests to make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from engine.channels.base import AttemptReference, Channel, PayRequest, RefundRequest
from paymentplatform.kernel import numbers
from tests.engine.channels.receiver import Receiver
from tests.institution_process import InstitutionProcess


def build_channels(institution: InstitutionProcess) -> dict[str, Channel]:
    """Build every channel that the settings name, with this institution behind it."""
    values = {
        "SANDBOX_URL": institution.url,
        "SANDBOX_SIGNING_KEY": institution.key,
        "SANDBOX_API_URL": "",
    }
    channels = [import_string(path).build(values) for path in settings.CHANNELS]
    return {channel.code: channel for channel in channels}


@pytest.fixture(scope="session")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstitutionProcess]:
    """An institution that stays up for the whole session; faults must be taken back by who sets them."""
    process = InstitutionProcess(tmp_path_factory.mktemp("institution") / "book.sqlite3")
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def own_institution(tmp_path: Path) -> Iterator[InstitutionProcess]:
    """An institution to be killed."""
    process = InstitutionProcess(tmp_path / "book.sqlite3")
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def channels(institution: InstitutionProcess) -> dict[str, Channel]:
    """The registered channels by code."""
    return build_channels(institution)


@pytest.fixture
def sandbox(channels: dict[str, Channel]) -> Channel:
    """The first acquirer."""
    return channels["sandbox"]


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Where this session's callbacks go."""
    receiver = Receiver()
    yield receiver
    receiver.close()


Requests = Callable[..., PayRequest]


@pytest.fixture
def new_request(receiver: Receiver) -> Requests:
    """Make a pay request under fresh numbers; ``scenario`` and ``token`` choose the behaviour."""
    return lambda **changes: make_request(**{"notify_url": f"{receiver.url}/notify"} | changes)


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
