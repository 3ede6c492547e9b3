"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from checkout.services.agreements import sweep_agreements


@shared_task(name="checkout.sweep_agreements")
def sweep_agreements_task(**_: Any) -> None:
    """End requests for agreements whose time is over; empty tokens whose time is."""
    for _round in range(20):
        if sweep_agreements() == 0:
            return
