"""What all calls have in common: who asks, over which connection, and how often."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from paymentplatform_client.parsing import Page, parse_page
from paymentplatform_client.retrying import RetryPolicy, Transport, repeat
from paymentplatform_client.signing import Bearer, Signature, SigningKey

T = TypeVar("T")

LONG_CALL_S = 30.0
"""Paying and closing may wait for an institution."""


class Caller:
    """Sends calls with the merchant's key, and repeats them as the policy says."""

    def __init__(
        self,
        *,
        base_url: str,
        secret_key: str | None = None,
        signing_key: SigningKey | None = None,
        timeout_s: float = 10.0,
        retry: RetryPolicy | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """Give ``secret_key``, or ``signing_key`` to sign every request instead of showing a secret.

        Signatures cover the address: ``base_url`` must be the one that the platform publishes.
        """
        if (secret_key is None) == (signing_key is None):
            raise ValueError("give either secret_key or signing_key")
        auth = Signature(signing_key) if signing_key is not None else Bearer(secret_key or "")
        self._transport = Transport(base_url=base_url, auth=auth, timeout_s=timeout_s, http=http)
        self._retry = retry or RetryPolicy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        once: bool = False,
        ask: Any = None,
    ) -> Any:
        """Send with the policy; a call that has an ``ask`` is one that may take long.

        ``once``: it has no number of yours, so all its tries share an Idempotency-Key.
        """
        key = secrets.token_urlsafe(24) if once else None

        def attempt() -> Any:
            return self._transport.send(
                method,
                path,
                body=body,
                query=query,
                idempotency_key=key,
                timeout_s=LONG_CALL_S if ask else None,
            )

        return repeat(attempt, policy=self._retry, ask=ask)

    def _list(self, kind: type[T], path: str, **query: Any) -> Page[T]:
        """Get one page of a list; what is None is not asked for."""
        return parse_page(kind, self._call("GET", path, query=query))


def given(body: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in body.items() if value is not None}


def in_path(number: str) -> str:
    """Write a number into a path so that it stays one segment of it."""
    return quote(number, safe="")
