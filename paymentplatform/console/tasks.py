"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from paymentplatform.console.services.proofs import take_proof
from paymentplatform.console.services.proposals import expire_due_proposals
from paymentplatform.console.services.volumes import roll_up_volumes

MAX_BATCHES = 20


@shared_task(name="console.expire_due_proposals")
def expire_due_proposals_task(**_: Any) -> None:
    """End proposals past their time until none is due (bounded: the clock comes again)."""
    for _batch in range(MAX_BATCHES):
        if expire_due_proposals(limit=settings.SWEEP_BATCH) < settings.SWEEP_BATCH:
            return


@shared_task(name="console.take_proof", soft_time_limit=3_600, time_limit=3_660)
def take_proof_task(**_: Any) -> None:
    """Take a proof and keep it; it changes nothing else."""
    take_proof()


@shared_task(name="console.roll_up_volumes")
def roll_up_volumes_task(**_: Any) -> None:
    """Bring the dashboard's roll-ups up to now."""
    roll_up_volumes()
