"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from engine.services.inquiries import query_due_attempts


@shared_task(name="engine.query_due_attempts")
def query_due_attempts_task(**_: Any) -> None:
    """Ask channels about due attempts until none is due (bounded: the clock comes again)."""
    for _round in range(5):
        if query_due_attempts() == 0:
            return
