"""The WSGI entry: three handlers in one process, for the API, for payers' pages, and the full one for all else."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")
django.setup(set_prefix=False)

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.signals import request_started  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from paymentplatform import api_handler, payer_handler  # noqa: E402
from paymentplatform.connections import drop_dead_connections  # noqa: E402
from paymentplatform.kernel.structs import learn_structs  # noqa: E402
from paymentplatform.request_body import wrap_body  # noqa: E402

request_started.connect(drop_dead_connections)
_api = api_handler.ApiHandler()
_payers = payer_handler.PayerHandler()
_pages = WSGIHandler()
get_resolver().url_patterns  # noqa: B018 - imports every view now, and not under the first requests
learn_structs()
# What was imported stays for good. The collector need not look at it again: that stops every thread for 0.1 s.
gc.collect()
gc.freeze()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send the request to its handler."""
    wrap_body(environ)
    path: str = environ["PATH_INFO"]
    if path.startswith(api_handler.PREFIXES):
        return _api(environ, start_response)
    if path.startswith(payer_handler.PREFIXES):
        return _payers(environ, start_response)
    return _pages(environ, start_response)
