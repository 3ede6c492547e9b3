"""What is refused by its size, before a byte of a body is read and before anybody is asked who it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

from paymentplatform.api_handler import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PATH_BYTES,
    MAX_QUERY_BYTES,
    ApiHandler,
)
from tests.paymentplatform.calling import Answer, call
from tests.paymentplatform.test_api_handler import UnreadableBody, assert_problem

Call = Callable[..., Answer]
ORDERS = "/api/v1/orders"
UNREAD: dict[str, Any] = {
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": "9",
    "wsgi.input": UnreadableBody(),
}


@pytest.fixture
def real() -> Call:
    """Call the short handler on the platform's own addresses."""
    return partial(call, ApiHandler())


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (f"/api/v1/{'a' * MAX_PATH_BYTES}", {}, 414, "address_too_long"),
        (f"{ORDERS}?{'a' * (MAX_QUERY_BYTES + 1)}", {}, 414, "address_too_long"),
        (ORDERS, {"HTTP_X_LONG": "a" * MAX_HEADER_BYTES}, 431, "headers_too_large"),
        (ORDERS, {f"HTTP_X_{n}": "" for n in range(MAX_HEADERS)}, 431, "headers_too_large"),
        (ORDERS, {"CONTENT_LENGTH": "65537"}, 413, "payload_too_large"),
        (ORDERS, {"CONTENT_LENGTH": "x"}, 400, "invalid_request"),
        (ORDERS, {}, 401, "unauthenticated"),
        (ORDERS, {"HTTP_AUTHORIZATION": "Bearer sk_wrong"}, 401, "unauthenticated"),
        (
            ORDERS,
            {"HTTP_AUTHORIZATION": "Bearer sk_wrong", "HTTP_IDEMPOTENCY_KEY": "k"},
            401,
            "unauthenticated",
        ),
        (
            ORDERS,
            {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"},
            401,
            "unauthenticated",
        ),
        ("/api/v1/nothing", {}, 404, "not_found"),
    ],
)
def test_a_refusal_before_anybody_is_known_reads_no_body(
    real: Call, target: str, headers: dict[str, str], status: int, code: str
):
    assert_problem(real("POST", target, **(UNREAD | headers)), status, code)


def test_what_is_just_within_the_limits_is_asked_who_it_is(real: Call):
    headers = {f"HTTP_X_{n}": "" for n in range(MAX_HEADERS - 2)}
    room = MAX_HEADER_BYTES - sum(map(len, headers)) - len("HTTP_HOST127.0.0.1:8000HTTP_LONG")
    answer = real("GET", f"{ORDERS}?{'a' * MAX_QUERY_BYTES}", HTTP_LONG="a" * room, **headers)
    assert_problem(answer, 401, "unauthenticated")
    answer = real("GET", ORDERS, HTTP_LONG="a" * (room + 1), **headers)
    assert_problem(answer, 431, "headers_too_large")


@pytest.mark.parametrize("path", ["/api/errors", "/api/docs/", "/api/schema/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_pages_beside_the_api_are_only_read(method: str, path: str):
    answer = call(WSGIHandler(), method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"].startswith("GET, HEAD")


def test_a_form_without_its_token_is_still_refused_as_a_page():
    answer = call(WSGIHandler(), "POST", "/admin/login/")
    assert answer.status == 403
    assert answer.headers["Content-Type"].startswith("text/html")
