"""Is the process alive, is the platform ready, what has it counted: for supervisors, not for people."""

from __future__ import annotations

import hmac
import ipaddress
import os
import threading
import time
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry, exposition, multiprocess
from redis.exceptions import RedisError

from paymentplatform import figures
from paymentplatform.heartbeat import find_silent

MIGRATIONS_CHECKED_EVERY_S: Final = 5.0
_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

_log = structlog.get_logger(__name__)


class _MigrationCheck:
    """Compares the migrations in the code, read once, with those in the database, asked now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_code: frozenset[tuple[str, str]] | None = None
        self._missing: list[str] = []
        self._checked_at = float("-inf")

    def find_missing(self) -> list[str]:
        """Return ``app.migration`` names that the database has not seen; at most some seconds old."""
        with self._lock:
            if time.monotonic() - self._checked_at > MIGRATIONS_CHECKED_EVERY_S:
                self._missing = self._compare()
                self._checked_at = time.monotonic()
            return self._missing

    def _compare(self) -> list[str]:
        if self._in_code is None:
            loader = MigrationLoader(None)
            self._in_code = frozenset(loader.graph.nodes)
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
        return sorted(f"{app}.{name}" for app, name in self._in_code - applied)


_migrations = _MigrationCheck()


@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer that this process answers; asks nobody else."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 503 without PostgreSQL or with missing migrations; else 200 and what is degraded.

    ``?strict=1`` turns anything degraded into 503 as well.
    """
    faults = _find_database_faults()
    degraded = _find_degraded()
    strict = request.GET.get("strict") == "1"
    ready = not faults and not (strict and degraded)
    document = {
        "status": "ready" if ready else "unavailable",
        "degraded": degraded,
        "faults": faults,
    }
    return JsonResponse(document, status=200 if ready else 503)


def _find_database_faults() -> list[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing = _migrations.find_missing()
    except Error as error:
        _log.warning("not_ready", error=type(error).__name__)
        return ["database"]
    return ["migrations"] if missing else []


def _find_degraded() -> list[str]:
    try:
        return find_silent()
    except (RedisError, OSError):
        return ["redis"]


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show all processes' counts to a scraper on this machine or one that knows METRICS_TOKEN."""
    if not _may_scrape(request.META):
        raise Http404
    registry: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    counted = exposition.generate_latest(registry) + exposition.generate_latest(figures.REGISTRY)
    return HttpResponse(counted, content_type=exposition.CONTENT_TYPE_PLAIN_0_0_4)


def _may_scrape(meta: dict[str, Any]) -> bool:
    """Behind a proxy everybody seems to be on this machine, so a forwarded request needs the token."""
    scheme, _, token = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    if any(name in meta for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(meta.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
