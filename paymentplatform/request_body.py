"""Request bodies are whole or refused.

granian ends a body that breaks off, and one with malformed chunks, like a whole one: what is read is simply less. It
has no deadline for bodies either and its maintainers want none (docs/operations.md says what must stand in front).
"""

from __future__ import annotations

from typing import Any

from paymentplatform.kernel.errors import InvalidRequest, PayloadTooLarge


class BodyBrokenOff(OSError):
    """The body ended before its length."""


class RequestBody:
    """A ``wsgi.input`` that gives ``length`` bytes, or raises BodyBrokenOff."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream, self._left = stream, length

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or all."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data: bytes = self._stream.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise BodyBrokenOff("the body ended before its length")
        self._left -= wanted
        return data

    def readline(self, size: int | None = -1) -> bytes:
        """Read; Django reads lines only out of what ``read`` gave it."""
        return self.read(size)


class ChunkedBody:
    """A ``wsgi.input`` of unknown length: read when somebody asks for it, to the limit and no further.

    ``read`` gives everything at once; raises PayloadTooLarge over the limit, and InvalidRequest for nothing at all,
    which is how the server shows malformed chunks (an object cut off later is no JSON anyway).
    """

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._limit = stream, limit

    def read(self, _size: int | None = -1) -> bytes:
        """Read all of it."""
        body: bytes = self._stream.read(self._limit + 1)
        if len(body) > self._limit:
            raise PayloadTooLarge
        if not body:
            raise InvalidRequest("A chunked body is empty or malformed; say Content-Length.")
        return body

    def readline(self, size: int | None = -1) -> bytes:
        """Read; Django reads lines only out of what ``read`` gave it."""
        return self.read(size)


def wrap_body(environ: dict[str, Any]) -> None:
    """Put a RequestBody in place of the server's stream where the length of the body is known."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and not environ.get("HTTP_TRANSFER_ENCODING"):
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"], int(length))
