"""Whatever an institution sends back, only its own whole, signed, matching word decides anything."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.channels.base import Outcome, TimeLimits
from engine.channels.sandbox import codec
from engine.channels.sandbox.answers import FAILURES
from tests.engine.channels.hostile import HostileInstitution, drip, signed_reply
from tests.engine.channels.requests import make_request, reference, refund_of
from tests.lateness import measuring_time

Play = Callable[..., HostileInstitution]


@pytest.fixture
def play() -> Iterator[Play]:
    """Make an institution that plays this script; closed when the test ends."""
    made: list[HostileInstitution] = []

    def make(script: Any) -> HostileInstitution:
        made.append(HostileInstitution(script))
        return made[-1]

    yield make
    for institution in made:
        institution.close()


def _success(body: bytes, **changes: object) -> bytes:
    asked = codec.decode(body)
    return codec.encode(
        {
            "merchant_account": codec.ACCOUNTS["sandbox"],
            "request_no": asked.get("request_no"),
            "status": "SUCCEEDED",
            "channel_trade_no": "CH1",
            "amount": 1234,
            "currency": "CNY",
            "failure_code": None,
        }
        | changes
    )


def test_the_whole_answer_counts(play: Play):
    channel = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body))
        )
    ).channel()
    assert channel.pay(make_request()).outcome is Outcome.SUCCEEDED


def test_an_answer_cut_anywhere_is_unknown(play: Play):
    cut = [0]

    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        connection.sendall(signed_reply(signature, _success(body))[: cut[0]])

    channel = play(script).channel()
    length = len(signed_reply("v1=" + "0" * 64, _success(codec.encode({"request_no": "a" * 26}))))
    for cut[0] in [*range(0, length, 7), length - 1]:
        assert channel.pay(make_request()).outcome is Outcome.UNKNOWN, cut[0]


def test_a_reset_is_unknown(play: Play):
    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        connection.sendall(signed_reply(signature, _success(body))[:100])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert play(script).channel().pay(make_request()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 404, 429, 500, 502, 503])
def test_only_a_plain_200_counts_even_when_signed(play: Play, status: int):
    channel = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body), status=status)
        )
    ).channel()
    assert channel.pay(make_request()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "changes",
    [
        {"request_no": "att_another"},
        {"request_no": None},
        {"merchant_account": codec.ACCOUNTS["sandbox2"]},
        {"status": "PAID"},
        {"status": None},
        {"amount": None},
        {"amount": "1234"},
        {"amount": True},
        {"currency": None},
        {"channel_trade_no": None},
        {"status": "REFUSED", "failure_code": "REQUEST_CONFLICT"},
        {"status": "REFUSED", "failure_code": "SOMETHING_NEW"},
    ],
)
def test_a_signed_answer_that_does_not_fit_is_unknown(play: Play, changes: dict[str, object]):
    channel = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body, **changes))
        )
    ).channel()
    request = make_request()
    assert channel.pay(request).outcome is Outcome.UNKNOWN
    assert channel.query(reference(request)).outcome is Outcome.UNKNOWN


def test_a_refused_question_says_nothing_about_the_charge(play: Play):
    refusal = {"status": "REFUSED", "failure_code": "BAD_REQUEST"}
    channel = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body, **refusal))
        )
    ).channel()
    request = make_request()
    assert channel.pay(request).outcome is Outcome.FAILED
    assert channel.query(reference(request)).outcome is Outcome.UNKNOWN
    assert channel.close(reference(request)).outcome is Outcome.UNKNOWN
    assert channel.query_refund(refund_of(request, "CH1")).outcome is Outcome.UNKNOWN


def test_anothers_signature_and_anothers_answer_are_unknown(play: Play):
    replies: list[bytes] = []

    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        replies.append(signed_reply(signature, _success(body)))
        connection.sendall(replies[0])  # the answer to the first request, for ever

    channel = play(script).channel()
    request = make_request()
    assert channel.pay(request).outcome is Outcome.SUCCEEDED
    assert channel.pay(request).outcome is Outcome.UNKNOWN
    forger = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body), key="guessed")
        )
    ).channel()
    assert forger.pay(make_request()).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("where", ["head", "body", "nowhere", "stalls"])
def test_an_answer_in_drips_ends_in_time(play: Play, where: str):

    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        head, _, rest = signed_reply(signature, _success(body)).partition(b"\r\n\r\n")
        if where == "nowhere":
            time.sleep(3)
        if where == "stalls":
            drip(connection, head[:5], every_s=0.09)
            time.sleep(3)
        if where == "body":
            connection.sendall(head + b"\r\n\r\n")
            head = b""
        drip(connection, head + b"\r\n\r\n" + rest, every_s=0.1)

    channel = play(script).channel(TimeLimits(pay_s=0.6))
    with measuring_time() as span:
        assert channel.pay(make_request()).outcome is Outcome.UNKNOWN
    span.must_be_under(0.95)


def test_an_endless_answer_is_unknown(play: Play):
    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert play(script).channel().pay(make_request()).outcome is Outcome.UNKNOWN


def test_a_redirect_is_not_followed(play: Play):
    visited: list[bytes] = []
    trap = play(lambda connection, signature, body: visited.append(body))

    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        location = f"{trap.url}/api/sandbox/pay".encode()
        connection.sendall(
            b"HTTP/1.1 307 X\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        )

    assert play(script).channel().pay(make_request()).outcome is Outcome.UNKNOWN
    assert visited == []


def test_a_refund_that_was_refused_for_good_has_failed(play: Play):
    def script(connection: socket.socket, signature: str, body: bytes) -> None:
        refusal = {"status": "REFUSED", "failure_code": "CHARGE_NOT_FOUND"}
        connection.sendall(signed_reply(signature, _success(body, **refusal)))

    answer = play(script).channel().refund(refund_of(make_request(), "CH1"))
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "charge_not_found")


RETRIABLE = {"ACQUIRER_BUSY"}
"""The only code after which another channel may be tried: adding one here is a decision about money."""


@pytest.mark.parametrize("code", [*FAILURES, "SOMETHING_NEW"])
def test_only_what_is_mapped_as_retriable_may_be_tried_elsewhere(play: Play, code: str):
    failed = {"status": "FAILED", "failure_code": code, "amount": None, "channel_trade_no": None}
    channel = play(
        lambda connection, signature, body: connection.sendall(
            signed_reply(signature, _success(body, **failed))
        )
    ).channel()
    for answer in (channel.pay(make_request()), channel.query(reference(make_request()))):
        assert answer.outcome is Outcome.FAILED
        assert answer.retriable is (code in RETRIABLE)
        assert answer.failure_code == FAILURES.get(code, ("declined", False))[0]
