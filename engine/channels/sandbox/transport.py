"""One HTTP exchange within a total time, and the one distinction that decides about failover.

Only a connection that this process itself saw refused proves that nothing was sent; every other trouble
leaves open whether the institution has read the request.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

from engine.channels.sandbox import codec

CONNECT_TIMEOUT_S: Final = 2.0
MAX_CONNECTIONS: Final = 512
MAX_STATEMENT_BYTES: Final = 2**26
_KEEP_IDLE_S: Final = 30.0

_deadline: ContextVar[float] = ContextVar("deadline")


class NoAnswer(Exception):
    """Nothing certain came back: no answer in time, a broken one, or one that is not the institution's."""


class NeverSent(Exception):
    """This process saw the connection refused: not a byte of the request has left."""


def open_client(*, secure: bool) -> httpx.Client:
    """Open a client whose every wait ends at the deadline of the exchange it is part of.

    httpx alone limits each wait by itself, so that an institution which sends a byte now and then could hold
    a thread for ever. Environment proxies are ignored and redirects are not followed.
    """
    return httpx.Client(
        transport=_Transport(secure=secure),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "payment-platform", "Content-Type": "application/json"},
    )


def fetch(
    client: httpx.Client,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    timeout_s: float,
) -> tuple[httpx.Response, bytes]:
    """Send one request within a total time and read a bounded answer. Raises NeverSent or NoAnswer."""
    limit = MAX_STATEMENT_BYTES if method == "GET" else codec.MAX_BODY_BYTES
    ending = _deadline.set(time.monotonic() + timeout_s)
    timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
    try:
        with client.stream(method, url, headers=headers, content=body, timeout=timeout) as response:
            chunks, size = [], 0
            for chunk in response.iter_raw():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise NoAnswer("the answer is too long")
    except httpx.ConnectError as error:
        if _was_refused(error):
            raise NeverSent(str(error)) from error
        raise NoAnswer(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise NoAnswer(type(error).__name__) from error
    finally:
        _deadline.reset(ending)
    return response, b"".join(chunks)


def _was_refused(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class _Transport(httpx.HTTPTransport):
    def __init__(self, *, secure: bool) -> None:
        super().__init__(verify=secure, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context() if secure else None,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=64,
            keepalive_expiry=_KEEP_IDLE_S,
            network_backend=_Backend(),
        )


class _Backend(httpcore.SyncBackend):
    """The ordinary network, with streams that know the deadline."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            super().connect_tcp(host, port, timeout, local_address, socket_options or ())
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _time_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _time_left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _time_left(timeout: float | None, expired: type[Exception]) -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise expired("the time of the whole exchange is up")
    return left if timeout is None else min(timeout, left)
