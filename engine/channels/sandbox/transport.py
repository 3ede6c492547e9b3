"""One HTTP exchange within a total time, and the one distinction that decides about failover.

Only a connection that this process itself saw refused proves that nothing was sent; every other trouble
leaves open whether the institution has read the request.
"""

from __future__ import annotations

import time
from typing import Any, Final

import httpx

from engine.channels.sandbox import codec

CONNECT_TIMEOUT_S: Final = 2.0


class NoAnswer(Exception):
    """Nothing certain came back: no answer in time, a broken one, or one that is not the institution's."""


class NeverSent(Exception):
    """This process saw the connection refused: not a byte of the request has left."""


class _TimeLeft(dict[str, float]):
    """The time-outs of one call as its transport asks for them: never more than what is left of the whole."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._deadline = time.monotonic() + seconds

    def left_s(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def get(self, key: str, default: Any = None) -> float:
        return min(CONNECT_TIMEOUT_S, self.left_s()) if key == "connect" else self.left_s()


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
    time_left = _TimeLeft(timeout_s)
    limit = 2**26 if method == "GET" else codec.MAX_BODY_BYTES
    try:
        request = client.build_request(
            method, url, headers=headers, content=body, extensions={"timeout": time_left}
        )
        response = client.send(request, stream=True)
        try:
            chunks, size = [], 0
            for chunk in response.iter_raw():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit or time_left.left_s() <= 0.001:
                    raise NoAnswer("the answer is too long or too slow")
        finally:
            response.close()
    except httpx.ConnectError as error:
        if _was_refused(error):
            raise NeverSent(str(error)) from error
        raise NoAnswer(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise NoAnswer(type(error).__name__) from error
    return response, b"".join(chunks)


def _was_refused(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
