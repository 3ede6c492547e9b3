"""A body is read whole or refused: the server ends a body that breaks off like a whole one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO

import pytest

from paymentplatform import wsgi
from paymentplatform.api_handler import ApiHandler
from paymentplatform.request_body import BodyBrokenOff, RequestBody
from tests.paymentplatform.calling import Answer, call

Ask = Callable[..., Answer]
JSON = {"CONTENT_TYPE": "application/json"}
CHUNKED = {**JSON, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


@pytest.fixture
def ask(addresses: None, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Call the platform's own entry as the server does, on the tests' addresses."""
    monkeypatch.setattr(wsgi, "_api", ApiHandler())
    return partial(call, wsgi.application, "POST", "/api/v1/things")


@pytest.mark.parametrize("came", [b"", b'{"amount":', b'{"amount":1}'])
def test_a_body_shorter_than_its_length_is_refused(ask: Ask, came: bytes):
    answer = ask(**JSON, CONTENT_LENGTH="13", **{"wsgi.input": BytesIO(came)})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"] == "The body could not be read to its end."


@pytest.mark.parametrize(
    ("came", "detail"),
    [(b"", "A chunked body is empty or malformed"), (b'{"amount":', "The body is not JSON")],
)
def test_chunks_that_break_off_are_refused(ask: Ask, came: bytes, detail: str):
    answer = ask(**CHUNKED, **{"wsgi.input": BytesIO(came)})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"].startswith(detail)


def test_a_whole_body_is_read_either_way(ask: Ask):
    whole = b'{"amount":7}'
    for said in ({**JSON, "CONTENT_LENGTH": str(len(whole))}, CHUNKED):
        answer = ask(**said, **{"wsgi.input": BytesIO(whole)})
        assert (answer.status, answer.json["amount"]) == (201, 7)


def test_reads_end_with_the_length():
    body = RequestBody(BytesIO(b"abcdef"), 5)
    assert [body.read(2), body.read(), body.read(), body.readline()] == [b"ab", b"cde", b"", b""]
    with pytest.raises(BodyBrokenOff):
        RequestBody(BytesIO(b"ab"), 3).read()
