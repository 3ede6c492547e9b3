"""What the clock does for the ledger."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from ledger.services import roll_up_accounts

BATCH: Final = 200
MAX_BATCHES: Final = 20


@shared_task(name="ledger.roll_up_accounts")
def roll_up(**_: Any) -> None:
    """Roll up every account that has a tail, in short transactions; what is left waits for the next tick."""
    for _batch in range(MAX_BATCHES):
        if roll_up_accounts(limit=BATCH) < BATCH:
            return
