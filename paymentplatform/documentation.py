"""Pages about the API: the document, one to try it and one to read it, and one of all error codes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Final

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView

from paymentplatform.kernel.errors import DomainError, all_error_classes
from paymentplatform.kernel.field_errors import FIELD_CODES

_DEEDS: Final = (
    ("FIX_REQUEST", "Change the request: the same one will be refused again."),
    ("RETRY_SAME", "Send the same request again, with the same numbers, a little later."),
    ("RETRY_LATER", "Wait (Retry-After where given), then send it again."),
    ("QUERY", "Ask how the object stands, then decide."),
    ("CONTACT", "People must talk: the operator of the platform."),
)
_REDOC_STYLES: Final = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)


class SchemaView(SpectacularAPIView):
    """The OpenAPI document."""


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One code as the documentation tells it."""

    code: str
    status: int
    title: str
    action: str
    floor: str
    meaning: str


def list_errors() -> list[ErrorEntry]:
    """Return every code an answer may carry, by name; also that of what nobody expected."""
    classes: dict[str, type[DomainError]] = {DomainError.code: DomainError, **all_error_classes()}
    return [
        ErrorEntry(code, kind.status, kind.title, kind.action, _floor(kind), _meaning(kind))
        for code, kind in sorted(classes.items())
    ]


@require_safe
def show_console(request: HttpRequest) -> HttpResponse:
    """Show the API with Swagger UI, to try it out: from our own files, without script inside the page."""
    return _render(request, "api/console.html")


@require_safe
@csp_update({"style-src": list(_REDOC_STYLES)})
def show_reference(request: HttpRequest) -> HttpResponse:
    """Show the API with Redoc, to read it.

    It writes its styles by script: with the page's nonce, and before it can know that, two that are known by hash.
    """
    return _render(request, "api/reference.html")


@require_safe
def list_error_codes(request: HttpRequest) -> HttpResponse:
    """Show every code an answer may carry, what it means and what to do."""
    return _render(
        request,
        "api/errors.html",
        actions=_DEEDS,
        errors=list_errors(),
        field_codes=FIELD_CODES.items(),
    )


@require_safe
def show_icon(_request: HttpRequest) -> HttpResponse:
    """Lead browsers that ask for an icon at the usual place to the one of our pages."""
    return HttpResponseRedirect(static("checkout/mark.svg"))


def _render(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    named = {"title": settings.SPECTACULAR_SETTINGS["TITLE"], "schema_url": reverse("schema")}
    return render(request, template, named | context)


def _floor(kind: type[DomainError]) -> str:
    return kind.__module__.removeprefix("paymentplatform.").partition(".")[0]


def _meaning(kind: type[DomainError]) -> str:
    if kind is DomainError:
        return "Something broke on our side. Whether the request took effect is unknown: ask."
    return " ".join((inspect.getdoc(kind) or kind.title).split())
