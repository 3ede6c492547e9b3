"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

import time
from typing import Any, Final

from celery import shared_task
from django.conf import settings

from acquiring.services.callers import sweep_used_nonces
from acquiring.services.closing import expire_due_orders
from acquiring.services.idempotency import SWEEP_TASK, sweep_idempotency_keys
from acquiring.services.merchant_events import wipe_sealed_bodies
from acquiring.services.notifications import deliver_due_notifications
from acquiring.services.settlement import settle_merchants

_BEGINS_ROUNDS_FOR_S: Final = 60.0
"""With a silent channel a round takes 39 s: the last one ends before the task's time limit."""


@shared_task(name="acquiring.deliver_due_notifications")
def deliver_due_notifications_task(**_: Any) -> None:
    """Tell merchants what is due to be told."""
    deliver_due_notifications()


@shared_task(name="acquiring.expire_due_orders")
def expire_due_orders_task(**_: Any) -> None:
    """Close orders past their time until none is due (bounded: the clock comes again)."""
    started = time.monotonic()
    for _round in range(20):
        if expire_due_orders() == 0 or time.monotonic() - started > _BEGINS_ROUNDS_FOR_S:
            return


@shared_task(name=SWEEP_TASK)
def sweep_idempotency_keys_task(**_: Any) -> None:
    """Forget old Idempotency-Keys until none is left (bounded: the clock comes again)."""
    for _round in range(200):
        if sweep_idempotency_keys() < settings.SWEEP_BATCH:
            return


@shared_task(name="acquiring.wipe_sealed_bodies")
def wipe_sealed_bodies_task(**_: Any) -> None:
    """Forget secrets that have been shown."""
    wipe_sealed_bodies()


@shared_task(name="acquiring.sweep_used_nonces")
def sweep_used_nonces_task(**_: Any) -> None:
    """Forget the nonces of signatures that are too old anyway (bounded: the clock comes again)."""
    for _round in range(200):
        if sweep_used_nonces() < settings.SWEEP_BATCH:
            return


@shared_task(name="acquiring.settle_merchants")
def settle_merchants_task(**_: Any) -> None:
    """Release what has become due today and make the payouts; what fails is logged and comes again."""
    settle_merchants()
