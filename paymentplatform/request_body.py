"""Request bodies are whole or refused.

granian ends a body that breaks off, and one with malformed chunks, like a whole one: what is read is simply less. It
has no deadline for bodies either and its maintainers want none (docs/operations.md says what must stand in front).
"""

from __future__ import annotations

from typing import Any


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


def wrap_body(environ: dict[str, Any]) -> None:
    """Put a RequestBody in place of the server's stream where the length of the body is known."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and not environ.get("HTTP_TRANSFER_ENCODING"):
        environ["wsgi.input"] = RequestBody(environ["wsgi.input"], int(length))
