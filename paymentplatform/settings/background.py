"""Celery: what runs outside requests. The tables are the truth; a message is only a wake-up.

No ETA and no countdown anywhere (Redis delivers those twice); every task is safe to run twice, at once.
"""

from __future__ import annotations

import logging
from typing import Any

from celery.schedules import crontab

from paymentplatform.settings.base import REDIS_URL
from paymentplatform.settings.environment import read_time_of_day

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "paymentplatform:",
    "visibility_timeout": 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 30,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 10,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ROUTES = {
    # Slow merchants must not keep a worker from asking channels, nor silent channels from telling merchants.
    "acquiring.deliver_due_notifications": {"queue": "webhooks"},
    "acquiring.expire_due_orders": {"queue": "channels"},
    "engine.query_due_attempts": {"queue": "channels"},
    "engine.repeat_due_refunds": {"queue": "channels"},
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_TASK_TIME_LIMIT = 150
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_STORE_EAGER_RESULT = False
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_SUCCESS_LOG_LEVEL = logging.DEBUG
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = (
    "celery.beat:Scheduler"  # keeps no file: every tick comes again within seconds
)
CELERY_BEAT_MAX_LOOP_INTERVAL = 1


def _every(seconds: float, task: str, *, expires: float) -> dict[str, Any]:
    """Describe one clock-driven task; a message older than ``expires`` seconds is dropped unread."""
    return {"task": task, "schedule": seconds, "options": {"expires": expires}}


PROOF_AT = read_time_of_day("PROOF_AT_UTC", default="19:30")
"""When the daily proof is taken (UTC): the small hours of the business day in China, unless told otherwise."""

CELERY_BEAT_SCHEDULE = {
    "expire due orders": _every(1, "acquiring.expire_due_orders", expires=5),
    "deliver due notifications": _every(1, "acquiring.deliver_due_notifications", expires=5),
    "query due attempts": _every(1, "engine.query_due_attempts", expires=5),
    "repeat due refunds": _every(1, "engine.repeat_due_refunds", expires=5),
    "settle due late money": _every(1, "engine.settle_due_late_money", expires=5),
    "reconcile due days": _every(300, "engine.reconcile_due_days", expires=60),
    "watch channels": _every(1, "engine.watch_channels", expires=5),
    "seal journals": _every(30, "ledger.seal_journals", expires=30),
    "close accounting days": _every(60, "ledger.close_days", expires=30),
    "roll up accounts": _every(1, "ledger.roll_up_accounts", expires=5),
    "sweep agreements": _every(10, "checkout.sweep_agreements", expires=30),
    "sweep wallet sessions": _every(60, "checkout.sweep_wallet_sessions", expires=60),
    "sweep risk reviews": _every(10, "checkout.sweep_risk_reviews", expires=30),
    "forget old records": _every(60, "checkout.forget_old_records", expires=60),
    "wipe sealed bodies": _every(10, "acquiring.wipe_sealed_bodies", expires=30),
    "expire due proposals": _every(10, "console.expire_due_proposals", expires=30),
    "sweep idempotency keys": _every(60, "acquiring.sweep_idempotency_keys", expires=30),
    "sweep used nonces": _every(10, "acquiring.sweep_used_nonces", expires=30),
    "settle merchants": _every(600, "acquiring.settle_merchants", expires=60),
    "take proof": {
        "task": "console.take_proof",
        "schedule": crontab(hour=PROOF_AT.hour, minute=PROOF_AT.minute),
        "options": {"expires": 60},
    },
    "roll up volumes": _every(30, "console.roll_up_volumes", expires=25),
    "heartbeat": _every(5, "platform.heartbeat", expires=15),
}
