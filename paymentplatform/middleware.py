"""Middleware of the full handler (pages, admin); the merchant API has its own short way in ``wsgi``."""

from __future__ import annotations

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from paymentplatform.kernel import context, numbers


class RequestContext:
    """Give every request an id of ours and answer with it."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = numbers.new_number(numbers.REQUEST)
        token = context.request_id.set(request_id)
        try:
            response: HttpResponse = self._get_response(request)
        finally:
            context.request_id.reset(token)
        response["X-Request-Id"] = request_id
        return response


class ContentSecurityPolicy(CSPMiddleware):
    """The strict policy everywhere, with the exceptions that the admin's widgets need."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponse, report_only: bool = False
    ) -> PolicyParts:
        """Replace some directives under /admin/."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and not report_only:
            parts.replace = {**(parts.replace or {}), **settings.ADMIN_CONTENT_SECURITY_POLICY}
        return parts
