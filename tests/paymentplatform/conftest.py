"""The two handlers over the tests' own addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from paymentplatform.api_handler import ApiHandler
from tests.paymentplatform.calling import Answer, call

ADDRESSES = "tests.paymentplatform.addresses"


@pytest.fixture
def addresses() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=ADDRESSES):
        yield


@pytest.fixture
def api(addresses: None) -> Callable[..., Answer]:
    """Call the short handler: ``api("GET", "/api/v1/things")``."""
    return partial(call, ApiHandler())


@pytest.fixture
def pages(addresses: None) -> Callable[..., Answer]:
    """Call the full handler."""
    return partial(call, WSGIHandler())
