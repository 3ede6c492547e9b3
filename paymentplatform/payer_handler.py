"""The way of payers' pages and of what they ask: Django's handler without what only operators and static files need.

A waiting page asks every few seconds; sessions, users and messages that it never looks at would cost more than its
answer.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.utils.module_loading import import_string

PREFIXES: Final = ("/cashier/", "/agreements/", "/wallet/")


class PayerHandler(WSGIHandler):
    """A WSGI application for the paths in PREFIXES; its middleware is ``settings.PAYER_MIDDLEWARE``."""

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
