"""The Celery app. What runs by the clock stands in ``settings.background``, all in one list."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_shutdown,
)
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")

WORKER_CONNECTION_AGE_S = 60

app = Celery("paymentplatform", include=["paymentplatform.heartbeat"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


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


@before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **_kwargs: Any) -> None:
    """Send along under which request a task was asked for."""
    from paymentplatform.kernel import context

    if headers is not None and (request_id := context.request_id.get()):
        headers["request_id"] = request_id


@task_prerun.connect
def take_over_request_id(task: Any = None, **_kwargs: Any) -> None:
    """Let log lines and event rows of a task name the request that asked for it, else a number of its own."""
    from paymentplatform.kernel import context, numbers

    request_id = getattr(task.request, "request_id", None) if task is not None else None
    context.request_id.set(request_id or numbers.new_number(numbers.REQUEST))
    context.actor.set("system")


@task_postrun.connect
def count_task(task: Any = None, state: str | None = None, **_kwargs: Any) -> None:
    """Count how tasks ended."""
    from paymentplatform.kernel.metrics import TASKS

    TASKS.labels(getattr(task, "name", "(unknown)"), state or "(unknown)").inc()


@worker_process_shutdown.connect
def forget_process_metrics(pid: int | None = None, **_kwargs: Any) -> None:
    """Let live gauges of an ended worker process go."""
    if pid is not None and os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)
