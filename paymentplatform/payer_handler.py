"""The way of payers' pages and of what they ask: Django's handler without what only operators and static files need.

A waiting page asks every few seconds; sessions, users and messages that it never looks at would cost more than its
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, Final, cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse
from django.utils.module_loading import import_string

from paymentplatform.connections import drop_dead_connections
from paymentplatform.turns import Turns

PREFIXES: Final = ("/cashier/", "/agreements/", "/wallet/")
AT_ONCE: Final = 4
"""Pages drawn at once in one process: enough to use the time in which some wait for the database."""
PATIENCE_S: Final = 0.1


class PayerHandler(WSGIHandler):
    """A WSGI application for the paths in PREFIXES; its middleware is ``settings.PAYER_MIDDLEWARE``."""

    def __init__(self) -> None:
        self.turns = Turns(most=AT_ONCE, patience_s=PATIENCE_S)
        super().__init__()

    def load_middleware(self, is_async: bool = False) -> None:
        """Load as Django does, from the shorter list. None of it is asynchronous or can be left out by itself."""
        hooks: dict[str, list[Any]] = {
            "process_view": [],
            "process_template_response": [],
            "process_exception": [],
        }
        handler = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for name in reversed(settings.PAYER_MIDDLEWARE):
            middleware = import_string(name)(handler)
            for hook, found in hooks.items():
                if hasattr(middleware, hook):
                    found.append(getattr(middleware, hook))
            handler = convert_exception_to_response(middleware)
        self._view_middleware = hooks["process_view"][::-1]
        self._template_response_middleware = hooks["process_template_response"]
        self._exception_middleware = hooks["process_exception"]
        self._middleware_chain = handler

    def __call__(  # type: ignore[override]
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request whole, as the API does: what Django's signals would do, ``drop_dead_connections`` does."""
        drop_dead_connections()
        # A GET computes and reads, at most it brings an inquiry forward. A form may wait for an institution.
        is_read = environ["REQUEST_METHOD"] in {"GET", "HEAD"}
        with self.turns.take() if is_read else nullcontext():
            response = cast("HttpResponse", self.get_response(WSGIRequest(environ)))
        cookies = (("Set-Cookie", one.output(header="")) for one in response.cookies.values())
        line = f"{response.status_code} {response.reason_phrase}"
        start_response(line, [*response.items(), *cookies])
        return [response.content]
