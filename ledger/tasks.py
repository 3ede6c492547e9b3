"""What the clock does for the ledger."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from ledger.services import close_next_day, roll_up_accounts, seal_journals

BATCH: Final = 200
MAX_BATCHES: Final = 20
SEALED_AT_ONCE: Final = 50_000


@shared_task(name="ledger.roll_up_accounts")
def roll_up(**_: Any) -> None:
    """Roll up every account that has a tail, in short transactions; what is left waits for the next tick."""
    for _batch in range(MAX_BATCHES):
        if roll_up_accounts(limit=BATCH) < BATCH:
            return


@shared_task(name="ledger.seal_journals")
def seal(**_: Any) -> None:
    """Seal what was committed since the last time; what is left waits for the next tick."""
    for _block in range(MAX_BATCHES):
        if seal_journals(limit=SEALED_AT_ONCE) < SEALED_AT_ONCE:
            return


@shared_task(name="ledger.close_days", soft_time_limit=3_600, time_limit=3_660)
def close_days(**_: Any) -> None:
    """Close every accounting day that is over and settled; one with very many postings takes its time."""
    while close_next_day() in {"MARKED", "CLOSED"}:
        pass
