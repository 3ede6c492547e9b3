"""The short handler: limits first, our own request id, and a problem document whatever happens."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import psycopg
import pytest

from paymentplatform.kernel import numbers
from paymentplatform.kernel.strictjson import MAX_BODY_BYTES
from tests.paymentplatform.calling import Answer

Call = Callable[..., Answer]
MEMBERS = {"type", "title", "status", "detail", "code", "action", "request_id", "errors"}


def assert_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(problem) == MEMBERS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["type"].endswith(f"/api/errors#{code}")
    return problem


class UnreadableBody:
    """Fails the test when anybody reads."""

    def read(self, *_size: int) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def test_a_good_request_is_answered(api: Call) -> None:
    answer = api("POST", "/api/v1/things", b'{"amount":1}')
    assert (answer.status, answer.json) == (201, {"amount": 1, "note": None, "colour": "RED"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_request_id_is_ours_whatever_the_client_says(api: Call, pages: Call) -> None:
    for handler in (api, pages):
        for number in ("mine", numbers.new_number(numbers.REQUEST)):
            answer = handler("GET", "/api/v1/things", HTTP_X_REQUEST_ID=number)
            assert answer.headers["X-Request-Id"] != number
            assert numbers.is_number(answer.headers["X-Request-Id"], numbers.REQUEST)


def test_a_large_body_is_refused_before_a_byte_is_read(api: Call) -> None:
    answer = api(
        "POST",
        "/api/v1/things",
        CONTENT_LENGTH=str(MAX_BODY_BYTES + 1),
        CONTENT_TYPE="application/json",
        **{"wsgi.input": UnreadableBody()},
    )
    assert_problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize("length", ["-1", "1e3", "１", "0x10", "+5"])
def test_a_length_that_is_no_number_is_refused(api: Call, length: str) -> None:
    assert_problem(api("POST", "/api/v1/things", CONTENT_LENGTH=length), 400, "invalid_request")


def test_a_chunked_body_is_read_to_the_limit_and_no_further(api: Call) -> None:
    chunked = {"CONTENT_TYPE": "application/json", "HTTP_TRANSFER_ENCODING": "chunked"}
    good = api("POST", "/api/v1/things", **chunked, **{"wsgi.input": BytesIO(b'{"amount":7}')})
    assert (good.status, good.json["amount"]) == (201, 7)
    endless = BytesIO(b" " * (MAX_BODY_BYTES * 4))
    answer = api("POST", "/api/v1/things", **chunked, **{"wsgi.input": endless})
    assert_problem(answer, 413, "payload_too_large")
    assert endless.tell() <= MAX_BODY_BYTES + 1


def test_the_full_handler_has_the_same_limit(pages: Call) -> None:
    assert_problem(
        pages("POST", "/api/v1/things", b" " * (MAX_BODY_BYTES + 1)), 413, "payload_too_large"
    )


def test_bad_fields_are_named(api: Call) -> None:
    problem = assert_problem(
        api("POST", "/api/v1/things", b'{"amount":"1","fee":1}'), 400, "invalid_request"
    )
    assert {(error["field"], error["code"]) for error in problem["errors"]} == {
        ("amount", "wrong_type"),
        ("fee", "unknown_field"),
    }
    assert problem["action"] == "FIX_REQUEST"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api/v1/", "/channels/x/y/z", "/api/v1/things/../../etc", "/api/v1/\x00"],
)
def test_unknown_paths_are_problems_in_both_handlers(api: Call, pages: Call, path: str) -> None:
    assert_problem(api("GET", path), 404, "not_found")
    assert_problem(pages("GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/things", "GET, POST, HEAD, OPTIONS"),
        ("TRACE", "/api/v1/things", "GET, POST, HEAD, OPTIONS"),
        ("DISPATCH", "/api/v1/things", "GET, POST, HEAD, OPTIONS"),
        ("GET", "/channels/any/notify", "POST"),
    ],
)
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    api: Call, method: str, path: str, allowed: str
) -> None:
    answer = api(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


def test_head_and_options_answer_without_a_body(api: Call) -> None:
    head, get = api("HEAD", "/api/v1/things"), api("GET", "/api/v1/things")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))
    options = api("OPTIONS", "/api/v1/things")
    assert (options.status, options.body) == (204, b"")
    assert options.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic c2s6", "Bearer sk_wrong", "Bearer " + "x" * 999],
)
def test_every_failed_authentication_gets_the_same_answer(api: Call, header: str | None) -> None:
    environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
    answer = api("GET", f"/api/v1/things/{numbers.new_number('ord')}", **environ)
    problem = assert_problem(answer, 401, "unauthenticated")
    assert re.fullmatch(
        rf"{problem['title']}\. The server's time is \S+Z \(\d+\)\.", problem["detail"]
    )
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize(
    "number", ["1", "ord_", "ord_" + "i" * 22, "pay_" + "0" * 22, "ord_%00", "ORD_x"]
)
def test_a_number_that_is_not_well_formed_is_not_found(api: Call, number: str) -> None:
    answer = api("GET", f"/api/v1/things/{number}", HTTP_AUTHORIZATION="Bearer sk_right")
    assert_problem(answer, 404, "not_found")


def test_an_unexpected_error_tells_nothing_and_is_logged_once(
    api: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/api/v1/things/{numbers.new_number('ord')}"
    answer = api("DELETE", path, HTTP_AUTHORIZATION="Bearer sk_right")
    problem = assert_problem(answer, 500, "internal_error")
    assert problem["action"] == "QUERY"
    for word in (b"SELECT", b"secret", b"/srv", b"sk_live", b"RuntimeError", b"Traceback"):
        assert word not in answer.body
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (logged,) = [line for line in lines if line["event"] == "unexpected_error"]
    assert "RuntimeError" in logged["exception"]
    assert "sk_live" not in logged["exception"]
    assert logged["request_id"] == problem["request_id"]


def test_a_lock_wait_that_ends_is_unavailable_and_the_next_request_works(
    api: Call, owner_connection: psycopg.Connection
) -> None:
    with owner_connection.transaction():
        owner_connection.execute("SELECT pg_advisory_xact_lock(4242)")
        problem = assert_problem(api("POST", "/api/v1/locked"), 503, "unavailable")
    assert problem["action"] == "RETRY_SAME"
    assert api("POST", "/api/v1/locked").status == 200


def test_a_connection_that_the_server_ended_costs_no_request(
    api: Call,
) -> None:
    first = api("GET", "/api/v1/whoami").json["pid"]
    assert api("GET", "/api/v1/whoami").json["pid"] == first
    end_backend(first)
    second = api("GET", "/api/v1/whoami")
    assert second.status == 200
    assert second.json["pid"] != first


def test_addresses_that_differ_in_their_numbers_only_reach_their_own_thing(api: Call) -> None:
    key = {"HTTP_AUTHORIZATION": "Bearer sk_right"}
    for number in (numbers.new_number(numbers.ORDER) for _ in range(3)):
        assert api("GET", f"/api/v1/things/{number}", **key).json == {"number": number}
        of_a_payment = numbers.new_number(numbers.PAYMENT)
        assert api("GET", f"/api/v1/things/{of_a_payment}", **key).status == 404
    for absent in ("/api/v1/nothing/{}", "/api/v1/things/{}/more", "/api/v1/things/x{}x/"):
        assert api("GET", absent.format(numbers.new_number(numbers.ORDER)), **key).status == 404
    # What the handler itself writes in a number's place is no number.
    assert_problem(api("GET", "/api/v1/things/*", **key), 404, "not_found")


@pytest.mark.parametrize("prefix", ["sk", "tok", "ptk", "pat"])
def test_a_secret_in_an_address_is_not_logged(
    api: Call, capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    api(
        "GET", f"/api/v1/things/{numbers.new_number(numbers.ORDER)}"
    )  # the shape of the address is known
    secret = numbers.new_number(prefix)
    capsys.readouterr()
    answer = api("GET", f"/api/v1/things/{secret}")
    (line,) = [
        json.loads(line) for line in capsys.readouterr().err.splitlines() if "things" in line
    ]
    assert secret.partition("_")[2] not in str(line)
    assert line["request_id"] == answer.headers["X-Request-Id"]


def end_backend(pid: int) -> None:
    """End one of the application's own sessions, as a restart of the server would."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as another:
        another.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_every_answer_is_logged_with_its_route_and_never_with_its_query(
    api: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    api("GET", "/api/v1/things?limit=5")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["route"] == "api/v1/things"
    assert line["status"] == 200
    assert "limit=5" not in str(line)
