"""The client that calls addresses which merchants chose: what it refuses, and that it always ends on time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from django.db import transaction

from paymentplatform.kernel.destinations import (
    UrlRefused,
    check_url,
    is_public_address,
    parse_destination,
)
from paymentplatform.kernel.http import (
    NAMES_AT_ONCE,
    Failure,
    SendFailed,
    SendPolicy,
    send_request,
)
from paymentplatform.kernel.http import Answer as HttpAnswer
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.certificates import Authority
from tests.inside_addresses import (
    ALLOWED_URLS,
    INSIDE_ADDRESSES,
    PUBLIC_ADDRESSES,
    REFUSED_URLS,
    url_of,
)
from tests.lateness import measuring_time
from tests.webhook_receiver import Answer, WebhookReceiver


def refuse_to_connect(address: str, port: int, timeout_s: float) -> socket.socket:
    raise AssertionError(f"connected to {address}")


def refuse_to_resolve(host: str, port: int) -> list[str]:
    raise AssertionError(f"resolved {host}")


def send(url: str, *, policy: SendPolicy | None = None, **changes: Any) -> HttpAnswer:
    """Send a small POST; short time-outs, so that a test of them is short."""
    arguments: dict[str, Any] = {
        "method": "POST",
        "url": url,
        "headers": {"content-type": "application/json"},
        "content": b"{}",
        "connect_timeout_s": 0.5,
        "total_timeout_s": 1.0,
        "max_response_bytes": 65536,
        "policy": policy or SendPolicy(allow_loopback_http=True),
    }
    return send_request(**arguments | changes)


def failure_of(url: str, **changes: Any) -> Failure:
    """Send and return why it failed."""
    with pytest.raises(SendFailed) as failed:
        send(url, **changes)
    return failed.value.failure


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def leading_to(
    receiver: WebhookReceiver, *answers: str, tls: Callable[[], ssl.SSLContext] | None = None
) -> tuple[SendPolicy, list[str], list[str]]:
    """A policy whose names resolve to these addresses, and whose connections end at the receiver."""
    asked: list[str] = []
    connected: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return list(answers)

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        connected.append(address)
        return socket.create_connection(("127.0.0.1", receiver.port), timeout_s)

    changes = {"tls": tls} if tls else {}
    return SendPolicy(resolve=resolve, connect=connect, **changes), asked, connected


def test_corpus_is_as_large_as_promised() -> None:
    assert len(set(INSIDE_ADDRESSES)) + len(set(REFUSED_URLS)) >= 160


@pytest.mark.parametrize("address", INSIDE_ADDRESSES)
def test_inside_address_is_refused_everywhere(address: str) -> None:
    """At registration, at send, and when a harmless name resolves to it."""
    policy = SendPolicy(resolve=lambda *_: [address], connect=refuse_to_connect)
    assert not is_public_address(ip_address(address))
    with pytest.raises(UrlRefused):
        check_url(url_of(address), allow_loopback_http=True)
    assert failure_of(url_of(address), policy=policy) == Failure.URL_REFUSED
    assert failure_of("https://shop.example.com/", policy=policy) == Failure.ADDRESS_REFUSED


@pytest.mark.parametrize("address", INSIDE_ADDRESSES)
def test_one_inside_answer_among_public_ones_refuses_all(address: str) -> None:
    policy = SendPolicy(
        resolve=lambda *_: ["8.8.8.8", address, "1.1.1.1"], connect=refuse_to_connect
    )
    assert failure_of("https://shop.example.com/", policy=policy) == Failure.ADDRESS_REFUSED


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_address_is_taken(address: str) -> None:
    assert is_public_address(ip_address(address))
    check_url(url_of(address), allow_loopback_http=False)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_url_is_refused_at_registration_and_at_send(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        check_url(url, allow_loopback_http=True, field="notify_url")
    assert refused.value.status == 400
    assert refused.value.errors[0].field == "notify_url"
    policy = SendPolicy(
        allow_loopback_http=True, resolve=refuse_to_resolve, connect=refuse_to_connect
    )
    assert failure_of(url, policy=policy) == Failure.URL_REFUSED


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_proper_url_is_taken(url: str) -> None:
    check_url(url, allow_loopback_http=False)
    found = parse_destination(url, allow_loopback_http=False)
    assert (found.host, found.port, found.target) == ALLOWED_URLS[url]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/x", "http://127.8.9.1/", "http://[::1]:9999/x", "http://[0::1]/"]
)
def test_loopback_by_http_only_where_allowed(url: str) -> None:
    check_url(url, allow_loopback_http=True)
    with pytest.raises(UrlRefused):
        check_url(url, allow_loopback_http=False)
    with pytest.raises(UrlRefused):
        check_url(url.replace("http:", "https:"), allow_loopback_http=True)


def test_loopback_is_not_reached_through_a_name() -> None:
    policy = SendPolicy(
        allow_loopback_http=True, resolve=lambda *_: ["127.0.0.1"], connect=refuse_to_connect
    )
    assert failure_of("https://shop.example.com/", policy=policy) == Failure.ADDRESS_REFUSED
    assert failure_of("http://shop.example.com/", policy=policy) == Failure.URL_REFUSED


def test_answer_comes_back(receiver: WebhookReceiver) -> None:
    receiver.script("/x?y=1", Answer(status=202, body=b"thanks", headers={"X-Shop": "1"}))
    answer = send(receiver.url("/x?y=1"))
    assert (answer.status_code, answer.body, answer.header("x-shop")) == (202, b"thanks", "1")
    (request,) = receiver.list_requests()
    assert (request.method, request.path, request.body) == ("POST", "/x?y=1", b"{}")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_name_is_resolved_once_and_checked_address_is_used(
    receiver: WebhookReceiver, authority: Authority
) -> None:
    """A resolver that answers differently the second time (rebinding) is never asked a second time."""
    served: list[str | None] = []
    server_tls = authority.server_context("shop.example.com", on_name=served.append)
    with WebhookReceiver(tls=server_tls) as secure:
        policy, asked, connected = leading_to(secure, "93.184.216.34", tls=authority.client_context)
        assert send("https://shop.example.com/hook", policy=policy).status_code == 200
        assert (asked, connected) == (["shop.example.com"], ["93.184.216.34"])
        assert served == ["shop.example.com"]
        assert secure.list_requests()[0].headers["host"] == "shop.example.com"


def test_second_address_is_tried_when_the_first_refuses(authority: Authority) -> None:
    server_tls = authority.server_context("shop.example.com")
    with WebhookReceiver(tls=server_tls) as secure:
        policy, _, connected = leading_to(
            secure, "2606:4700::1111", "1.1.1.1", tls=authority.client_context
        )

        def connect(address: str, port: int, timeout_s: float) -> socket.socket:
            if ":" in address:
                raise OSError("no route")
            return policy.connect(address, port, timeout_s)

        stubborn = SendPolicy(resolve=policy.resolve, connect=connect, tls=policy.tls)
        assert send("https://shop.example.com/", policy=stubborn).status_code == 200
        assert connected == ["1.1.1.1"]


@pytest.mark.parametrize("name", ["other.example.com", "93.184.216.34"])
def test_certificate_of_another_name_is_refused(authority: Authority, name: str) -> None:
    with WebhookReceiver(tls=authority.server_context(name)) as secure:
        policy, _, _ = leading_to(secure, "93.184.216.34", tls=authority.client_context)
        assert failure_of("https://shop.example.com/", policy=policy) == Failure.TLS_FAILED
        assert secure.list_requests() == []


def test_certificate_of_unknown_authority_is_refused(authority: Authority) -> None:
    """With the client's real trust store: there is no downgrade and no switch to turn it off."""
    with WebhookReceiver(tls=authority.server_context("shop.example.com")) as secure:
        policy, _, _ = leading_to(secure, "93.184.216.34")
        assert failure_of("https://shop.example.com/", policy=policy) == Failure.TLS_FAILED
        assert secure.list_requests() == []


def test_plain_http_behind_https_is_refused(receiver: WebhookReceiver) -> None:
    policy, _, _ = leading_to(receiver, "93.184.216.34")
    assert failure_of("https://shop.example.com/", policy=policy) == Failure.TLS_FAILED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_an_answer_not_a_journey(receiver: WebhookReceiver, status: int) -> None:
    receiver.script("/", Answer(status=status, redirect_to=receiver.url("/inside")))
    assert send(receiver.url("/")).status_code == status
    assert receiver.list_requests("/inside") == []


def test_proxies_of_the_environment_are_not_used(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(receiver.url("/")).status_code == 200


MISBEHAVIOURS = {
    "never answers": Answer(never=True),
    "one byte of head at a time": Answer(drip_s=0.1),
    "one byte of body at a time": Answer(drip_body_s=0.1, body=b"x" * 1000),
    "answers too late": Answer(wait_s=5),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_everything_ends_with_the_deadline(receiver: WebhookReceiver, name: str) -> None:
    receiver.script("/", MISBEHAVIOURS[name])
    with measuring_time() as span:
        assert failure_of(receiver.url("/"), total_timeout_s=0.6) == Failure.TIMEOUT
    assert span.elapsed_s > 0.5
    span.must_be_under(1.2)


def test_slow_handshake_ends_with_the_deadline(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def connect(address: str, port: int, timeout_s: float) -> socket.socket:
            return socket.create_connection(silent.getsockname(), timeout_s)

        policy = SendPolicy(
            resolve=lambda *_: ["1.1.1.1"], connect=connect, tls=authority.client_context
        )
        with measuring_time() as span:
            assert failure_of("https://shop.example.com/", policy=policy) == Failure.TIMEOUT
        span.must_be_under(1.5)


def test_receiver_that_does_not_read_ends_with_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with measuring_time() as span:
            assert failure_of(url, content=b"x" * 30_000_000) == Failure.TIMEOUT
        span.must_be_under(1.8)


def test_slow_resolver_ends_with_the_connect_time(receiver: WebhookReceiver) -> None:
    released = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        released.wait(5)
        return ["1.1.1.1"]

    policy = SendPolicy(resolve=resolve, connect=refuse_to_connect)
    with measuring_time() as span:
        assert failure_of("https://shop.example.com/", policy=policy) == Failure.TIMEOUT
    assert span.elapsed_s > 0.4
    span.must_be_under(0.9)
    released.set()


def test_many_names_that_hang_keep_no_known_name_waiting() -> None:
    released, asked = threading.Event(), threading.Semaphore(0)

    def hang(host: str, port: int) -> list[str]:
        asked.release()
        released.wait(20)
        raise socket.gaierror

    def refuse(address: str, port: int, timeout_s: float) -> socket.socket:
        raise ConnectionRefusedError

    def occupy(number: int) -> None:
        url, policy = f"https://slow{number}.example.com/", SendPolicy(resolve=hang)
        assert failure_of(url, policy=policy, connect_timeout_s=3, total_timeout_s=3)

    shop = SendPolicy(resolve=lambda *_: ["1.1.1.1"], connect=refuse)
    assert failure_of("https://known.example.com/", policy=shop) == Failure.CONNECT_FAILED
    strangers = [threading.Thread(target=occupy, args=(n,)) for n in range(NAMES_AT_ONCE + 5)]
    for stranger in strangers:
        stranger.start()
    try:
        assert all(asked.acquire(timeout=60) for _ in range(NAMES_AT_ONCE))
        assert failure_of("https://known.example.com/", policy=shop) == Failure.CONNECT_FAILED
    finally:
        released.set()
        for stranger in strangers:
            stranger.join()


def test_connect_time_is_shared_by_the_addresses() -> None:
    waited: list[float] = []

    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        waited.append(timeout_s)
        time.sleep(timeout_s)
        raise TimeoutError

    answers = ["1.1.1.1", "8.8.8.8", "9.9.9.9", "8.8.4.4", "1.0.0.1", "149.112.112.112"]
    policy = SendPolicy(resolve=lambda *_: answers, connect=connect)
    assert failure_of("https://shop.example.com/", policy=policy) == Failure.TIMEOUT
    assert len(waited) == 4
    assert sum(waited) < 0.6


def test_unknown_name_and_closed_port() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror("unknown")

    url = "https://shop.example.com/"
    assert failure_of(url, policy=SendPolicy(resolve=resolve)) == Failure.NAME_NOT_RESOLVED
    nothing = SendPolicy(resolve=lambda *_: [])
    assert failure_of(url, policy=nothing) == Failure.NAME_NOT_RESOLVED
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failure_of(f"http://127.0.0.1:{port}/") == Failure.CONNECT_FAILED


def test_huge_answer_is_read_up_to_the_limit(receiver: WebhookReceiver) -> None:
    receiver.script("/", Answer(huge_bytes=10 * 2**30))
    answer = send(receiver.url("/"))
    assert answer.status_code == 200
    assert 60_000 < len(answer.body) <= 65536
    assert receiver.bytes_sent < 50_000_000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 two hundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5_000,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_nonsense_is_no_answer(receiver: WebhookReceiver, raw: bytes) -> None:
    receiver.script("/", Answer(raw=raw))
    failure = failure_of(receiver.url("/"))
    assert failure in {Failure.BAD_ANSWER, Failure.CONNECTION_LOST}


def test_status_counts_although_the_body_breaks_off(receiver: WebhookReceiver) -> None:
    receiver.script("/", Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort"))
    answer = send(receiver.url("/"))
    assert (answer.status_code, answer.body) == (200, b"short")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\x00b"])
def test_header_cannot_smuggle_another(receiver: WebhookReceiver, value: str) -> None:
    with pytest.raises(ValueError):
        send(receiver.url("/"), headers={"webhook-id": value})
    assert receiver.list_requests() == []


def test_nothing_is_sent_inside_a_transaction(receiver: WebhookReceiver) -> None:
    with transaction.atomic(), pytest.raises(TransactionMisuse):
        send(receiver.url("/"))
    assert receiver.list_requests() == []
