"""What explains decisions is kept for a time and then forgotten: risk decisions, consults' answers, last uses.

Deleting goes by the primary key, which grows with time, a batch in a transaction of its own: no index for it, and
nobody waits for it. The database refuses to forget what is younger than ``LEAST_RECORD_DAYS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import connection

from paymentplatform.kernel import metrics, transactions
from paymentplatform.kernel.guards import LEAST_RECORD_DAYS

BATCH: Final = 5_000
FORGET_TASK: Final = "checkout.forget_old_records"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table of records, its key in the order of time, when a row was written, and the setting that says how long."""

    table: str
    key: str
    written_at: str
    setting: str

    @property
    def days(self) -> int:
        return max(int(getattr(settings, self.setting)), LEAST_RECORD_DAYS)


RECORDS: Final = (
    _Kept("checkout_risk_decision", "id", "at", "RISK_DECISION_DAYS"),
    _Kept("checkout_consult_decision", "id", "created_at", "CONSULT_RECORD_DAYS"),
    _Kept("checkout_balance_use", "payment_no", "created_at", "LAST_USE_DAYS"),
)


@transactions.start
def forget_old_records(*, batch_size: int = BATCH) -> int:
    """Delete at most one batch of old rows of each table; return how many (start). Safe to run twice and at once."""
    forgotten = 0
    with connection.cursor() as cursor:
        for kept in RECORDS:
            cursor.execute(
                f"""DELETE FROM {kept.table} WHERE {kept.key} IN (
                        SELECT {kept.key} FROM {kept.table} ORDER BY {kept.key} LIMIT %s
                    ) AND {kept.written_at} <= platform_now() - make_interval(days => %s)""",  # noqa: S608 - our names
                [batch_size, kept.days],
            )
            forgotten += cursor.rowcount
    metrics.SWEPT_ROWS.labels(FORGET_TASK).inc(forgotten)
    return forgotten
