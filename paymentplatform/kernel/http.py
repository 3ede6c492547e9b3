"""The one client that calls addresses which merchants chose.

Names are resolved once, every answer is checked, and the connection goes to the checked address
itself: nothing resolves the name again. No redirects, no proxies, no cookies, no kept connections; one
deadline over everything, so that an answer of one byte per second ends on time as well.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from typing import Final

import certifi
import h11

from paymentplatform.kernel.destinations import (
    Destination,
    UrlRefused,
    check_url,
    is_public_address,
    parse_destination,
)
from paymentplatform.kernel.transactions import forbid_transaction

__all__ = ["Answer", "Failure", "SendFailed", "SendPolicy", "check_url", "send_request"]

_ADDRESSES_TRIED: Final = 4
_CHUNK: Final = 16 * 1024
NAMES_AT_ONCE: Final = 64
"""How many names of either sort, known or not, the system's resolver looks for at a time."""
_NAMES_KNOWN: Final = 10_000


class Failure(StrEnum):
    """Why there is no answer."""

    URL_REFUSED = "url_refused"
    ADDRESS_REFUSED = "address_refused"
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    BAD_ANSWER = "bad_answer"


class SendFailed(Exception):
    """No usable answer came; whether the request arrived is unknown unless ``failure`` rules it out."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(f"{failure}: {detail}" if detail else str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``body`` is at most as long as asked for; header names are lower case."""

    status_code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of this (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)


class _NameSlots:
    """Who may take up a thread of the resolver, which goes on after our time-out.

    Names that were resolved in time have slots of their own: many that hang keep only each other waiting.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._for_known = threading.BoundedSemaphore(NAMES_AT_ONCE)
        self._for_strangers = threading.BoundedSemaphore(NAMES_AT_ONCE)

    def find(self, host: str) -> threading.BoundedSemaphore:
        """Return the slots for this name."""
        return self._for_known if host in self._known else self._for_strangers

    def note(self, host: str, *, in_time: bool) -> None:
        """Remember a name that was resolved in time, forget one that was not."""
        with self._lock:
            self._known.pop(host, None)
            if in_time:
                self._known[host] = None
                if len(self._known) > _NAMES_KNOWN:
                    self._known.popitem(last=False)


_names: Final = _NameSlots()


def resolve_name(host: str, port: int) -> list[str]:
    """Ask the system's resolver for every address of a name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def open_connection(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to a literal address: there is nothing left to resolve. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def default_tls() -> ssl.SSLContext:
    """Verify certificates against the public authorities or ``SSL_CERT_FILE``; TLS 1.2 at least."""
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """What a caller may change: http to loopback (demo, test); in tests, how to resolve and connect."""

    allow_loopback_http: bool = False
    resolve: Callable[[str, int], Sequence[str]] = resolve_name
    connect: Callable[[str, int, float], socket.socket] = open_connection
    tls: Callable[[], ssl.SSLContext] = default_tls


class _Deadline:
    """Seconds that are left of one budget."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, always positive. Raises SendFailed (timeout) when they are over."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise SendFailed(Failure.TIMEOUT)
        return seconds


def send_request(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes,
    connect_timeout_s: float,
    total_timeout_s: float,
    max_response_bytes: int,
    policy: SendPolicy,
) -> Answer:
    """Send one request and return its answer, whatever its status; a redirect is just an answer.

    Resolving and connecting end within ``connect_timeout_s``, everything within ``total_timeout_s``
    (seconds). Reading stops at ``max_response_bytes``. Raises SendFailed; ValueError for a header that
    cannot be sent; TransactionMisuse inside a transaction (this waits for a stranger's network).
    """
    forbid_transaction("send_request")
    deadline = _Deadline(total_timeout_s)
    try:
        destination = parse_destination(url, allow_loopback_http=policy.allow_loopback_http)
    except UrlRefused as refused:
        raise SendFailed(Failure.URL_REFUSED, refused.detail) from None
    protocol = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=max_response_bytes)
    outgoing = _encode_request(protocol, destination, method, headers, content)
    connection = _connect(destination, policy, _Deadline(min(connect_timeout_s, total_timeout_s)))
    try:
        if destination.scheme == "https":
            connection = _start_tls(connection, destination.host, policy, deadline)
        _send_all(connection, outgoing, deadline)
        return _read_answer(connection, protocol, max_response_bytes, deadline)
    finally:
        connection.close()


def _encode_request(
    protocol: h11.Connection,
    destination: Destination,
    method: str,
    headers: Mapping[str, str],
    content: bytes,
) -> bytes:
    """Write the whole request down; h11 refuses line breaks and other tricks in any part of it."""
    fields = {"host": destination.host_header, "accept": "*/*", "connection": "close"}
    fields |= {name.lower(): value for name, value in headers.items()}
    fields["content-length"] = str(len(content))
    try:
        request = h11.Request(
            method=method, target=destination.target, headers=list(fields.items())
        )
        parts = (request, h11.Data(data=content), h11.EndOfMessage())
        return b"".join(protocol.send(part) or b"" for part in parts)
    except h11.LocalProtocolError as error:
        message = f"the request cannot be sent: {error}"
        raise ValueError(message) from None


def _connect(destination: Destination, policy: SendPolicy, deadline: _Deadline) -> socket.socket:
    """Connect to the first checked address that lets us, sharing the time out among the candidates."""
    addresses = _find_checked_addresses(destination, policy, deadline)[:_ADDRESSES_TRIED]
    failure = Failure.CONNECT_FAILED
    for position, address in enumerate(addresses):
        share = deadline.left() / (len(addresses) - position)
        try:
            return policy.connect(address, destination.port, share)
        except TimeoutError:
            failure = Failure.TIMEOUT
        except OSError:
            failure = Failure.CONNECT_FAILED
    raise SendFailed(failure, f"{len(addresses)} addresses tried")


def _find_checked_addresses(
    destination: Destination, policy: SendPolicy, deadline: _Deadline
) -> list[str]:
    """Return literal addresses that may be connected to. One inside address among them refuses them all."""
    if destination.address is not None:
        return [str(destination.address)]
    answers = _resolve_in_time(destination, policy, deadline)
    if not answers:
        raise SendFailed(Failure.NAME_NOT_RESOLVED)
    for answer in answers:
        try:
            public = is_public_address(ip_address(answer))
        except ValueError:
            public = False
        if not public:
            raise SendFailed(Failure.ADDRESS_REFUSED, f"{destination.host} is {answer}")
    return answers


def _resolve_in_time(
    destination: Destination, policy: SendPolicy, deadline: _Deadline
) -> list[str]:
    """Resolve in a thread of its own, because the system's resolver knows no time-out of ours."""
    answers: list[str] = []
    errors: list[Exception] = []

    def resolve() -> None:
        try:
            answers.extend(policy.resolve(destination.host, destination.port))
        except Exception as error:  # noqa: BLE001 - reported by the thread that waits
            errors.append(error)
        finally:
            slots.release()

    slots = _names.find(destination.host)
    if not slots.acquire(timeout=deadline.left()):
        raise SendFailed(Failure.TIMEOUT, "the resolver is busy")
    resolving = threading.Thread(target=resolve, name="resolve", daemon=True)
    resolving.start()
    resolving.join(deadline.left())
    if resolving.is_alive():
        _names.note(destination.host, in_time=False)
        raise SendFailed(Failure.TIMEOUT, "the name was not resolved in time")
    _names.note(destination.host, in_time=not errors)
    if errors:
        raise SendFailed(Failure.NAME_NOT_RESOLVED, type(errors[0]).__name__)
    return list(answers)


def _start_tls(
    connection: socket.socket, host: str, policy: SendPolicy, deadline: _Deadline
) -> ssl.SSLSocket:
    """Shake hands under the name from the URL, whatever address we connected to."""
    connection.settimeout(deadline.left())
    try:
        return policy.tls().wrap_socket(connection, server_hostname=host)
    except TimeoutError:
        raise SendFailed(Failure.TIMEOUT, "during the TLS handshake") from None
    except (OSError, ValueError) as error:
        raise SendFailed(Failure.TLS_FAILED, type(error).__name__) from None


def _send_all(connection: socket.socket, outgoing: bytes, deadline: _Deadline) -> None:
    """Write everything within the deadline; a peer that hangs up may still have answered."""
    rest = memoryview(outgoing)
    while rest:
        connection.settimeout(deadline.left())
        try:
            rest = rest[connection.send(rest[:_CHUNK]) :]
        except TimeoutError:
            raise SendFailed(Failure.TIMEOUT, "while sending") from None
        except OSError:
            return


def _read_answer(
    connection: socket.socket, protocol: h11.Connection, limit: int, deadline: _Deadline
) -> Answer:
    """Read until the answer is complete or ``limit`` bytes are in, then let its status speak."""
    response: h11.Response | None = None
    body = bytearray()
    received = 0
    while True:
        try:
            event = protocol.next_event()
        except h11.RemoteProtocolError as error:
            if response is None:
                raise SendFailed(Failure.BAD_ANSWER, str(error)) from None
            break
        if event is h11.NEED_DATA:
            if received >= limit:
                break
            chunk = _receive(connection, min(_CHUNK, limit - received), deadline)
            received += len(chunk)
            protocol.receive_data(chunk)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif not isinstance(event, h11.InformationalResponse):
            break
    if response is None:
        raise SendFailed(Failure.BAD_ANSWER, f"no status within {limit} bytes")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
    )
    return Answer(response.status_code, headers, bytes(body))


def _receive(connection: socket.socket, size: int, deadline: _Deadline) -> bytes:
    connection.settimeout(deadline.left())
    try:
        return connection.recv(size)
    except TimeoutError:
        raise SendFailed(Failure.TIMEOUT, "while reading") from None
    except OSError as error:
        raise SendFailed(Failure.CONNECTION_LOST, type(error).__name__) from None
