"""Who is doing this, and under which request: carried to log lines and event rows without passing it along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
actor: ContextVar[str] = ContextVar("actor", default="system")


@contextmanager
def acting(*, as_actor: str, under_request: str | None = None) -> Iterator[None]:
    """Run a block as this actor (``merchant:mch_…``, ``operator:alice``, ``system``) and request id."""
    actor_token = actor.set(as_actor)
    request_token = request_id.set(under_request) if under_request is not None else None
    try:
        yield
    finally:
        actor.reset(actor_token)
        if request_token is not None:
            request_id.reset(request_token)
