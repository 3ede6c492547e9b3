"""The WSGI entry: two handlers in one process, the short one for the API and the full one for pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")
django.setup(set_prefix=False)

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.signals import request_started  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from paymentplatform.api_handler import PREFIXES, ApiHandler  # noqa: E402
from paymentplatform.connections import drop_dead_connections  # noqa: E402
from paymentplatform.kernel.structs import learn_structs  # noqa: E402
from paymentplatform.request_body import wrap_body  # noqa: E402

request_started.connect(drop_dead_connections)
_api = ApiHandler()
_pages = WSGIHandler()
get_resolver().url_patterns  # noqa: B018 - imports every view now, and not under the first requests
learn_structs()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send the request to its handler."""
    wrap_body(environ)
    handler = _api if environ["PATH_INFO"].startswith(PREFIXES) else _pages
    return handler(environ, start_response)
