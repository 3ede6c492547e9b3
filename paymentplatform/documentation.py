"""Pages about the API: the schema, Swagger UI from our own files, and one page of all error codes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from paymentplatform.kernel.errors import DomainError, all_error_classes

_STYLE: Final = SafeString(
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
    "padding:.5rem .75rem;border-bottom:1px solid #ddd}tr:target{background:#fff7d6}"
)


class SchemaView(SpectacularAPIView):
    """The OpenAPI document."""


class SwaggerView(SpectacularSwaggerSplitView):
    """Swagger UI without anything from another server, and without script inside the page."""


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
def list_error_codes(request: HttpRequest) -> HttpResponse:
    """Show every code an answer may carry, what it means and what to do."""
    rows = format_html_join(
        "\n",
        '<tr id="{}"><td><code>{}</code></td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>',
        (
            (error.code, error.code, error.status, error.action, error.meaning)
            for error in list_errors()
        ),
    )
    page = format_html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Error codes</title>'
        '<meta name="viewport" content="width=device-width"><style nonce="{}">{}</style></head><body>'
        "<h1>Error codes</h1><p>Every error is an RFC 9457 problem document. A 4xx answer means that"
        " nothing has happened; after a 5xx one ask, or repeat with the same number.</p>"
        "<table><thead><tr><th>Code</th><th>Status</th><th>Action</th><th>Meaning</th></tr></thead>"
        "<tbody>{}</tbody></table></body></html>",
        getattr(request, "csp_nonce", ""),
        _STYLE,
        rows,
    )
    return HttpResponse(page)


def _floor(kind: type[DomainError]) -> str:
    return kind.__module__.removeprefix("paymentplatform.").partition(".")[0]


def _meaning(kind: type[DomainError]) -> str:
    if kind is DomainError:
        return "Something broke on our side. Whether the request took effect is unknown: ask."
    return " ".join((inspect.getdoc(kind) or kind.title).split())
