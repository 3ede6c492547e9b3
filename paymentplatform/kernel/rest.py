"""The base of every API view: one strict decode, one service call, one answer; no serializer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.views import APIView

from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import MethodNotAllowed, NotFound, Unauthenticated
from paymentplatform.kernel.problems import name_error, problem_response
from paymentplatform.kernel.strictjson import decode_body, decode_query

__all__ = [
    "ApiView",
    "bearer_secret",
    "decode_body",
    "decode_query",
    "json_response",
    "path_number",
    "problem_response",
]

_encode: Final = msgspec.json.Encoder().encode
_MAX_SECRET_CHARACTERS: Final = 256


class ApiView(APIView):
    """A view that answers JSON, and every failure as a problem.

    Subclasses define ``authenticate`` and ``get``, ``post``, … returning an HttpResponse (``json_response``).
    Of DRF only the schema is used: wrapping requests and negotiating would cost more than the payment's SQL.
    """

    identity: Any = None
    """What ``authenticate`` returned."""

    _methods: ClassVar[tuple[str, ...]] = ("get", "post", "put", "patch", "delete")

    def authenticate(self, request: HttpRequest) -> Any:
        """Return who calls, or raise Unauthenticated; also names the actor for logs (``context.actor.set``).

        The base class lets everybody in: health pages and callbacks prove themselves otherwise.
        """
        return None

    def check_before_refusal(self, request: HttpRequest) -> None:
        """Raise what the caller must hear before he is told that the method does not exist here."""

    def run(
        self,
        handler: Callable[..., HttpResponse],
        request: HttpRequest,
        *args: Any,
        **kwargs: Any,
    ) -> HttpResponse:
        """Let the method answer; who comes here is authenticated."""
        return handler(request, *args, **kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer the request; no exception leaves."""
        try:
            method = (request.method or "").lower()
            if method == "options":
                response = HttpResponse(status=204)
                del response["Content-Type"]
                return self._describe(response)
            handler = self._find_handler(method)
            if handler is None:
                self.check_before_refusal(request)
                return self._describe(problem_response(MethodNotAllowed()))
            self.identity = self.authenticate(request)
            response = self.run(handler, request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
            response = problem_response(name_error(error))
        if method == "head":
            response["Content-Length"] = str(len(response.content))
            response.content = b""
        return response

    def _find_handler(self, method: str) -> Callable[..., HttpResponse] | None:
        if method not in self._methods and method != "head":
            return None
        return getattr(self, "get" if method == "head" else method, None)

    def _describe(self, response: HttpResponse) -> HttpResponse:
        names = [name.upper() for name in self._methods if hasattr(self, name)]
        if "GET" in names:
            names.append("HEAD")
        response["Allow"] = ", ".join([*names, "OPTIONS"])
        return response


def json_response(
    value: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Answer with a msgspec struct, or anything msgspec can write, as JSON."""
    return HttpResponse(
        _encode(value), status=status, content_type="application/json", headers=headers
    )


def bearer_secret(request: HttpRequest) -> str:
    """Return the secret of ``Authorization: Bearer …``; raises Unauthenticated when there is none."""
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not secret or len(secret) > _MAX_SECRET_CHARACTERS:
        raise Unauthenticated
    return str(secret)


def path_number(value: str, prefix: str) -> str:
    """Return a number out of the path; one that is not well-formed is simply not found."""
    if not numbers.is_number(value, prefix):
        raise NotFound
    return value


def find_client_address(request: HttpRequest) -> str:
    """Return who is on the other side, past the proxies that we trust to say so; empty when that is not known."""
    proxies = settings.AXES_IPWARE_PROXY_COUNT
    if proxies:
        named = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        return named[-proxies].strip()[:64] if len(named) >= proxies else ""
    return str(request.META.get("REMOTE_ADDR", ""))
