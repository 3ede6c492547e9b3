"""Middleware of the full handler (pages, admin); the API has its own short way in ``api_handler``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from csp.constants import HEADER
from csp.middleware import CheckableLazyObject, CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from paymentplatform.kernel import context, numbers
from paymentplatform.kernel.database import plan_for_these_values
from paymentplatform.observation import NO_ROUTE, observe_answer

_NONCE_HERE: Final = "{nonce}"
"""No source of a policy looks like it."""


class RequestContext:
    """Give every request an id of ours (never the client's), answer with it, and record the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started_ns = time.perf_counter_ns()
        request_id = numbers.new_number(numbers.REQUEST)
        request_token = context.request_id.set(request_id)
        actor_token = context.actor.set("system")
        try:
            # No page has a use for NUL, and PostgreSQL refuses it late and loudly.
            if "%00" in request.META.get("QUERY_STRING", ""):
                response = HttpResponse(status=400)
            else:
                response = self._get_response(request)
            match = request.resolver_match
            observe_answer(
                method=request.method or "",
                path=request.path,
                route=match.route if match else NO_ROUTE,
                status=response.status_code,
                started_ns=started_ns,
            )
        finally:
            context.actor.reset(actor_token)
            context.request_id.reset(request_token)
        if "X-Request-Id" not in response:
            response["X-Request-Id"] = request_id
        return response


class OperatorActor:
    """Name the operator as the one who acts, in logs and event rows; his pages are planned for what they ask.

    Their times are those of the business, whose days the books go by.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            context.actor.set(f"operator:{request.user.get_username()}")
            with plan_for_these_values(), timezone.override(settings.BUSINESS_TIME_ZONE):
                return self._get_response(request)
        return self._get_response(request)


class ContentSecurityPolicy(CSPMiddleware):
    """The strict policy everywhere, with the exceptions that the admin's widgets need."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Replace some directives under /admin/."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and not report_only:
            parts.replace = {**(parts.replace or {}), **settings.ADMIN_CONTENT_SECURITY_POLICY}
        return parts

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Set the header. A policy that differs from the usual one by whole directives only is built once."""
        parts = self.get_policy_parts(request=request, response=response)
        replaced = parts.replace or {}
        is_odd = settings.DEBUG or parts.config or parts.update or hasattr(response, "_csp_exempt")
        if is_odd or not all(isinstance(sources, list) for sources in replaced.values()):
            return super().process_response(request, response)
        if HEADER not in response:
            key = tuple((name, tuple(sources)) for name, sources in replaced.items())
            policy = _build_policy(key, has_nonce=parts.nonce is not None)
            response.headers[HEADER] = policy.replace(_NONCE_HERE, parts.nonce or "")
        if parts.nonce is None:
            request.csp_nonce = CheckableLazyObject(self._csp_nonce_post_response)  # type: ignore[attr-defined]
        return response


@lru_cache(maxsize=1_000)
def _build_policy(replaced: tuple[tuple[str, tuple[str, ...]], ...], *, has_nonce: bool) -> str:
    """Build a policy with _NONCE_HERE in the place of its nonce."""
    replace = {name: list(sources) for name, sources in replaced}
    return build_policy(replace=replace, nonce=_NONCE_HERE if has_nonce else None)
