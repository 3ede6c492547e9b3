"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from acquiring.services.notifications import deliver_due_notifications


@shared_task(name="acquiring.deliver_due_notifications")
def deliver_due_notifications_task(**_: Any) -> None:
    """Tell merchants what is due to be told."""
    deliver_due_notifications()
