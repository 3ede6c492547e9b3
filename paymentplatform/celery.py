"""The Celery app. What runs by the clock stands in ``settings.background``, all in one list."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")

app = Celery("paymentplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

WORKER_CONNECTION_AGE_S = 60


@setup_logging.connect
def keep_our_logging(**_kwargs: Any) -> None:
    """Having a receiver keeps Celery from replacing the handlers that Django's settings made."""


@worker_init.connect
def let_worker_connections_age(**_kwargs: Any) -> None:
    """Renew a worker's database connections now and then, and check one before it is used again."""
    from django.db import connections

    for alias in connections:
        connections.settings[alias]["CONN_MAX_AGE"] = WORKER_CONNECTION_AGE_S
        connections.settings[alias]["CONN_HEALTH_CHECKS"] = True
