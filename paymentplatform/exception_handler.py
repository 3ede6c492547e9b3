"""Errors at the edge of Django and DRF: problem documents for the API, pages for people."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views import defaults
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import requires_csrf_token
from rest_framework import exceptions

from paymentplatform.kernel.errors import (
    DomainError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PermissionRefused,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
)
from paymentplatform.kernel.problems import name_error, problem_response

API_PATHS: Final = ("/api/", "/channels/")

_FROM_DRF: Final[tuple[tuple[type[Exception], type[DomainError]], ...]] = (
    (exceptions.NotAuthenticated, Unauthenticated),
    (exceptions.AuthenticationFailed, Unauthenticated),
    (exceptions.PermissionDenied, PermissionRefused),
    (exceptions.NotFound, NotFound),
    (exceptions.MethodNotAllowed, MethodNotAllowed),
    (exceptions.UnsupportedMediaType, UnsupportedMediaType),
    (exceptions.Throttled, RateLimited),
    (exceptions.APIException, InvalidRequest),
)


def handle_exception(error: Exception, _context: dict[str, Any]) -> HttpResponse:
    """Answer for a DRF view that raised (the pages of the schema)."""
    for kind, named in _FROM_DRF:
        if isinstance(error, kind):
            return problem_response(named())
    return problem_response(name_error(error))


@requires_csrf_token
def handle_400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refused."""
    if request.path_info.startswith(API_PATHS):
        return problem_response(name_error(exception))
    return defaults.bad_request(request, exception)


@requires_csrf_token
def handle_403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer that something is not allowed."""
    if request.path_info.startswith(API_PATHS):
        return problem_response(PermissionRefused())
    return defaults.permission_denied(request, exception)


def handle_csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its token; what stands under /api/ beside the API itself is only read."""
    if request.path_info.startswith(API_PATHS):
        problem = problem_response(MethodNotAllowed())
        problem["Allow"] = "GET, HEAD"
        return problem
    return csrf_failure(request, reason)


@requires_csrf_token
def handle_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer that there is no such page."""
    if request.path_info.startswith(API_PATHS):
        return problem_response(NotFound())
    return defaults.page_not_found(request, exception)


@requires_csrf_token
def handle_500(request: HttpRequest) -> HttpResponse:
    """Answer after an exception nobody expected."""
    if request.path_info.startswith(API_PATHS):
        return problem_response(DomainError())
    return defaults.server_error(request)
