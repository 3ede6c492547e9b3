"""The short way of the merchant API and of institutions' callbacks: no session, no cookie, no template.

Everything that Django's full handler does for pages costs more than a prepared statement; here a request gets
what an API needs and nothing else. Every answer, also the one nobody expected, is a problem document.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from http.client import responses as REASONS  # noqa: N812
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse
from django.urls import Resolver404, ResolverMatch, get_resolver

from acquiring.api import prove_if_signed
from paymentplatform.connections import drop_dead_connections
from paymentplatform.kernel import context, numbers
from paymentplatform.kernel.errors import (
    AddressTooLong,
    DomainError,
    HeadersTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PermissionRefused,
)
from paymentplatform.kernel.problems import name_error, problem_response
from paymentplatform.kernel.strictjson import MAX_BODY_BYTES
from paymentplatform.observation import NO_ROUTE, observe_answer
from paymentplatform.request_body import ChunkedBody

MERCHANT_PREFIX: Final = "/api/v1/"
PREFIXES: Final = (MERCHANT_PREFIX, "/channels/")
MAX_PATH_BYTES: Final = 1024
MAX_QUERY_BYTES: Final = 2048
MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of all names and values together."""

_NUMBER: Final = re.compile(r"(?<=/)(?!tok|ptk|pat)[a-z]{3}_[0-9a-hjkmnp-tv-z]{22}(?=/|\Z)")
"""A number of ours as a whole part of a path; not what begins like a secret, which must not be written into a log."""

_BARE_REFUSALS: Final[dict[int, type[DomainError]]] = {
    400: InvalidRequest,
    403: PermissionRefused,
    404: NotFound,
    405: MethodNotAllowed,
    500: DomainError,
}

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class ApiHandler(WSGIHandler):
    """A WSGI application for the paths in PREFIXES."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Load none; keep the headers that never change and the resolver of addresses."""
        self._resolver = get_resolver()
        self._shapes: dict[str, ResolverMatch] = {}
        self._headers = [
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ]
        if settings.SECURE_HSTS_SECONDS:
            value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"
            self._headers.append(("Strict-Transport-Security", value))

    def __call__(  # type: ignore[override]
        self, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        started_ns = time.perf_counter_ns()
        request_id = numbers.new_number(numbers.REQUEST)
        request_token = context.request_id.set(request_id)
        actor_token = context.actor.set("system")
        try:
            drop_dead_connections()
            response, route, is_plain = self._answer(environ)
            observe_answer(
                method=environ["REQUEST_METHOD"],
                path=environ.get("PATH_INFO", ""),
                is_plain=is_plain,
                route=route,
                status=response.status_code,
                started_ns=started_ns,
            )
        finally:
            context.actor.reset(actor_token)
            context.request_id.reset(request_token)
        headers = [*response.items(), *self._headers]
        if "X-Request-Id" not in response:
            headers.append(("X-Request-Id", request_id))
        status = response.status_code
        line = f"{status} {REASONS.get(status, 'Unknown')}"
        if response.streaming:
            start_response(line, headers)
            return response
        body = response.content
        if "Content-Length" not in response:
            headers.append(("Content-Length", str(len(body))))
        start_response(line, headers)
        return (body,)

    def _answer(self, environ: Environ) -> tuple[HttpResponse, str, bool]:
        """Return the answer, the route, and whether the path consists of the route and numbers of ours alone."""
        route, is_plain = NO_ROUTE, False
        try:
            limit_head(environ)
            limit_body(environ)
            request = WSGIRequest(environ)
            match, is_plain = self._find_route(request)
            request.resolver_match = match
            route = match.route
            response = match.func(request, *match.args, **match.kwargs)
            return _as_problem(response), route, is_plain
        except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
            return problem_response(name_error(error)), route, is_plain

    def _find_route(self, request: WSGIRequest) -> tuple[ResolverMatch, bool]:
        """Find the view; whoever signed is proved before he learns that there is none.

        Django tries one pattern after the other. Where a path differs from an earlier one in its numbers only, the
        earlier match is taken, with these numbers.
        """
        path = request.path_info
        numbers_in_it = _NUMBER.findall(path)
        shape = _NUMBER.sub("*", path)
        known = self._shapes.get(shape)
        # They are fewer where somebody wrote our mark himself.
        if known is not None and len(numbers_in_it) == len(known.kwargs):
            values = dict(zip(known.kwargs, numbers_in_it, strict=True))
            return ResolverMatch(known.func, (), values, known.url_name, route=known.route), True
        try:
            match = self._resolver.resolve(path)
        except Resolver404:
            if path.startswith(MERCHANT_PREFIX):
                prove_if_signed(request)
            raise
        is_plain = not match.args and list(match.kwargs.values()) == numbers_in_it
        if is_plain:
            # Nothing but numbers varies, so there are no more shapes than addresses.
            self._shapes[shape] = match
        return match, is_plain


def _as_problem(response: HttpResponse) -> HttpResponse:
    """Turn Django's own bare refusal (a wrong method, mostly) into a problem document."""
    named = _BARE_REFUSALS.get(response.status_code)
    if named is None or response.headers["Content-Type"].startswith("application/"):
        return response
    problem = problem_response(named())
    if "Allow" in response:
        problem["Allow"] = response["Allow"]
    return problem


def limit_head(environ: Environ) -> None:
    """Refuse an address or headers over the limits. The server itself refuses far larger ones, without a word."""
    if len(environ.get("PATH_INFO", "")) > MAX_PATH_BYTES:
        raise AddressTooLong(f"A path has at most {MAX_PATH_BYTES} bytes.")
    if len(environ.get("QUERY_STRING", "")) > MAX_QUERY_BYTES:
        raise AddressTooLong(f"A query string has at most {MAX_QUERY_BYTES} bytes.")
    count = size = 0
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            count += 1
            size += len(name) + len(value)
    if count > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"At most {MAX_HEADERS} headers with {MAX_HEADER_BYTES} bytes.")


def limit_body(environ: Environ) -> None:
    """Refuse a body over the limit before a byte of it is read; one that does not say its length, once it is read."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            raise InvalidRequest("Content-Length is not a number.")
        if int(length) > MAX_BODY_BYTES:
            raise PayloadTooLarge
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        environ["wsgi.input"] = ChunkedBody(environ["wsgi.input"], MAX_BODY_BYTES)
        environ["CONTENT_LENGTH"] = str(MAX_BODY_BYTES)
