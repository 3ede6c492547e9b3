"""One request, as often as it is safe and of use, and never under another number.

=================== ======================================================================================
RETRY_SAME          the same request again, a moment later
RETRY_LATER         the same request again, after ``Retry-After``
QUERY after a 5xx   what became of it is unknown: the caller asks (``Unclear``)
no answer           the same: unknown
anything else       raised
=================== ======================================================================================
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx

from paymentplatform_client.errors import Action, ApiError, ResultUnknown, build_error


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on: so many tries, waiting longer each time, and never beyond ``give_up_after_s`` in all."""

    tries: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 10.0
    give_up_after_s: float = 60.0


class Unclear(Exception):
    """It may have taken effect or not. ``__cause__`` says why nobody knows."""


class Transport:
    """Sends requests with what proves who asks, and reads answers; the connection is kept open."""

    def __init__(
        self, *, base_url: str, auth: httpx.Auth, timeout_s: float, http: httpx.Client | None
    ) -> None:
        self._http = http or httpx.Client(trust_env=False)
        self._address = f"{base_url.rstrip('/')}/api/v1"
        self._auth = auth
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send once; returns the answer's JSON. Raises ApiError, or Unclear when there is none that can be read."""
        headers = {"Accept": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        request = self._build(method, path, query, timeout_s, json=body, headers=headers)
        try:
            answer = self._http.send(request, auth=self._auth)
            document = answer.json() if answer.content else {}
        except (httpx.TransportError, ValueError) as error:
            raise Unclear(f"{method} {path}: {error!r}") from error
        if answer.is_success and isinstance(document, dict | list):
            return document
        raise _refusal(answer, document)

    def open(self, path: str, *, query: Mapping[str, Any] | None = None) -> httpx.Response:
        """Ask for a file and return its answer unread; close it. Raises as ``send`` does."""
        request = self._build("GET", path, query, None)
        try:
            answer = self._http.send(request, auth=self._auth, stream=True)
            if answer.is_success:
                return answer
            with closing(answer):
                document = json.loads(answer.read())
        except (httpx.TransportError, ValueError) as error:
            raise Unclear(f"GET {path}: {error!r}") from error
        raise _refusal(answer, document)

    def _build(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        timeout_s: float | None,
        **content: Any,
    ) -> httpx.Request:
        return self._http.build_request(
            method,
            f"{self._address}{path}",
            params={name: value for name, value in (query or {}).items() if value is not None},
            timeout=timeout_s or self._timeout_s,
            **content,
        )


def _refusal(answer: httpx.Response, document: Any) -> Exception:
    problem = document if isinstance(document, dict) else {}
    refusal = build_error(
        status=answer.status_code, problem=problem, retry_after_s=_retry_after(answer)
    )
    if refusal.status >= 500 and refusal.action == Action.QUERY:
        unclear = Unclear(str(refusal))
        unclear.__cause__ = refusal
        return unclear
    return refusal


def repeat(
    attempt: Callable[[], Any],
    *,
    policy: RetryPolicy,
    ask: Callable[[], dict[str, Any] | None] | None = None,
) -> Any:
    """Make the attempt until it is answered.

    ``ask`` finds out what became of an unclear one: its answer ends the matter, None means that it never arrived.
    Without it the attempt itself is the question, because its number makes it one and the same. Raises ApiError
    for a refusal, and ResultUnknown when no try is left.
    """
    deadline = time.monotonic() + policy.give_up_after_s
    trouble: Exception | None = None
    for count in range(policy.tries):
        try:
            if isinstance(trouble, Unclear) and ask is not None:
                found = ask()
                if found is not None:
                    return found
            return attempt()
        except Unclear as error:
            trouble, wait_s = error, _wait(policy, count)
        except ApiError as error:
            if error.action not in {Action.RETRY_SAME, Action.RETRY_LATER}:
                raise
            trouble, wait_s = error, error.retry_after_s or _wait(policy, count)
        if count + 1 == policy.tries or time.monotonic() + wait_s > deadline:
            break
        time.sleep(wait_s)
    if isinstance(trouble, ApiError) and trouble.status < 500:
        raise trouble
    raise ResultUnknown(str(trouble)) from trouble


def _wait(policy: RetryPolicy, count: int) -> float:
    longest = min(policy.longest_wait_s, policy.first_wait_s * 2.0**count)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
