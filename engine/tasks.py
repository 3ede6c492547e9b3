"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task
from django.conf import settings

from engine.services.breakers import watch_channels
from engine.services.inquiries import query_due_attempts
from engine.services.late_money_settling import settle_due_late_money
from engine.services.reconciliation_runs import reconcile_due_days
from engine.services.refund_submission import repeat_due_refunds

_ROUNDS: Final = 3
"""Batches of one task: with a silent channel they end before the task's time limit."""


@shared_task(name="engine.query_due_attempts")
def query_due_attempts_task(**_: Any) -> None:
    """Ask channels about due attempts until none is due (bounded: the clock comes again)."""
    for _round in range(_ROUNDS):
        if query_due_attempts() == 0:
            return


@shared_task(name="engine.repeat_due_refunds")
def repeat_due_refunds_task(**_: Any) -> None:
    """Repeat due refunds until none is due (bounded: the clock comes again)."""
    for _round in range(_ROUNDS):
        if repeat_due_refunds() == 0:
            return


@shared_task(name="engine.settle_due_late_money")
def settle_due_late_money_task(**_: Any) -> None:
    """Send due late money back until none is due (bounded: the clock comes again)."""
    for _round in range(_ROUNDS):
        if settle_due_late_money() == 0:
            return


@shared_task(name="engine.reconcile_due_days", soft_time_limit=1_800, time_limit=1_860)
def reconcile_due_days_task(**_: Any) -> None:
    """Fetch and reconcile the days that are due; nothing to do while all are done."""
    if settings.RECONCILE_DAYS_BACK:
        reconcile_due_days()


@shared_task(name="engine.watch_channels")
def watch_channels_task(**_: Any) -> None:
    """Open, try and close the breakers of channels."""
    watch_channels()
