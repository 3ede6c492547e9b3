"""HTTP for adapters: one exchange within a total time, and the one distinction that decides about failover.

Only a connection that this process itself saw refused proves that nothing was sent; every other trouble
leaves open whether the institution has read the request.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

CONNECT_TIMEOUT_S: Final = 2.0
MAX_CONNECTIONS: Final = 512
MAX_ANSWER_BYTES: Final = 262_144
_KEEP_IDLE_S: Final = 30.0

_deadline: ContextVar[float] = ContextVar("deadline")


class NoAnswer(Exception):
    """Nothing certain came back: no answer in time, a broken one, or one that is not the institution's."""


class NeverSent(Exception):
    """This process saw the connection refused: not a byte of the request has left."""


class Connections:
    """The connections of one adapter, shared by the threads of a process (a forked child makes its own).

    httpx alone limits each wait by itself, so that an institution which sends a byte now and then could hold
    a thread for ever; here every wait ends at the deadline of the exchange it is part of. Environment proxies are
    ignored and redirects are not followed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client_of: tuple[int, httpx.Client] | None = None

    def fetch(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes,
        *,
        timeout_s: float,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> tuple[httpx.Response, bytes]:
        """Send one request within a total time and read a bounded answer. Raises NeverSent or NoAnswer."""
        ending = _deadline.set(time.monotonic() + timeout_s)
        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        try:
            with self._client().stream(
                method, url, headers=headers, content=body, timeout=timeout
            ) as response:
                return response, _read_bounded(response, max_bytes)
        except httpx.ConnectError as error:
            if _was_refused(error):
                raise NeverSent(str(error)) from error
            raise NoAnswer(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise NoAnswer(type(error).__name__) from error
        finally:
            _deadline.reset(ending)

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._client_of is None or self._client_of[0] != os.getpid():
                client = httpx.Client(
                    transport=_Transport(),
                    follow_redirects=False,
                    trust_env=False,
                    headers={"User-Agent": "payment-platform"},
                )
                self._client_of = (os.getpid(), client)
            return self._client_of[1]


def _read_bounded(response: httpx.Response, max_bytes: int) -> bytes:
    chunks, size = [], 0
    for chunk in response.iter_raw():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise NoAnswer("the answer is too long")
    return b"".join(chunks)


def _was_refused(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class _Transport(httpx.HTTPTransport):
    def __init__(self) -> None:
        secure = ssl.create_default_context()
        super().__init__(verify=secure, trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=secure,
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
        left = _time_left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options or ()))


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
