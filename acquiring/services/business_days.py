"""The calendar of business days: holidays and worked weekends come in as data."""

from __future__ import annotations

import csv
import io
from datetime import date

from acquiring.models import BusinessDay
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest

_WORDS = {"open": True, "closed": False}


@transactions.start
def import_business_days(*, text: str, dry_run: bool = False) -> int:
    """Take over a CSV of ``day,open|closed,name`` and return how many days it has (start).

    The whole file or nothing of it; a day that is known is overwritten. ``dry_run`` only reads
    it. Raises InvalidRequest naming the line.
    """
    rows = [
        _read(number, row)
        for number, row in enumerate(csv.reader(io.StringIO(text)), start=1)
        if row
    ]
    if len({row.day for row in rows}) < len(rows):
        raise InvalidRequest("A day stands in the file twice.")
    if not dry_run:
        BusinessDay.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["day"], update_fields=["is_open", "name"]
        )
    return len(rows)


def _read(number: int, row: list[str]) -> BusinessDay:
    try:
        day, word, name = (cell.strip() for cell in [*row, ""][:3])
        if len(row) > 3 or len(name) > 64:
            raise ValueError
        return BusinessDay(day=date.fromisoformat(day), is_open=_WORDS[word], name=name)
    except (ValueError, KeyError):
        raise InvalidRequest(f"Line {number} is not like 2026-10-01,closed,National Day.") from None
