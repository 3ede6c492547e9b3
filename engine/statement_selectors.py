"""Questions to statements and differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import Any, Final

from django.db import connection

from engine.models import Discrepancy
from engine.statement_contracts import DiscrepancyView

SHOWN_CHANGES: Final = 20

_CHANGES: Final = """
WITH old AS (
    SELECT kind, match_key, row_number() OVER (PARTITION BY kind, match_key ORDER BY line_no) AS ordinal,
           amount, currency, fee
      FROM engine_statement_line WHERE statement_no = %(old)s
), new AS (
    SELECT kind, match_key, row_number() OVER (PARTITION BY kind, match_key ORDER BY line_no) AS ordinal,
           amount, currency, fee
      FROM engine_statement_line WHERE statement_no = %(new)s
), change AS (
    SELECT kind, match_key,
           CASE WHEN o.amount IS NULL THEN 'added' WHEN n.amount IS NULL THEN 'removed' ELSE 'changed' END AS how,
           concat_ws(' ', o.amount, o.currency, 'fee', o.fee) AS before,
           concat_ws(' ', n.amount, n.currency, 'fee', n.fee) AS after
      FROM old AS o FULL JOIN new AS n USING (kind, match_key, ordinal)
     WHERE (o.amount, o.currency, o.fee) IS DISTINCT FROM (n.amount, n.currency, n.fee)
)
SELECT how, kind, match_key, before, after,
       count(*) FILTER (WHERE how = 'added') OVER (), count(*) FILTER (WHERE how = 'changed') OVER (),
       count(*) FILTER (WHERE how = 'removed') OVER ()
  FROM change ORDER BY how, kind, match_key LIMIT %(limit)s
"""


def compare_versions(*, old: str, new: str) -> dict[str, Any]:
    """Tell how two statements of a day differ: counts by kind of change, and the first of the lines."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, {"old": old, "new": new, "limit": SHOWN_CHANGES})
        rows = cursor.fetchall()
    counts = dict(
        zip(("added", "changed", "removed"), rows[0][5:] if rows else (0, 0, 0), strict=True)
    )
    lines = []
    for how, kind, key, before, after, *_counts in rows:
        lines.append(
            {
                "change": how,
                "kind": kind,
                "match_key": key,
                "before": before if how != "added" else None,
                "after": after if how != "removed" else None,
            }
        )
    return counts | {"lines": lines}


def view_discrepancy(row: Discrepancy) -> DiscrepancyView:
    """Copy a row into what may leave the engine."""
    return DiscrepancyView(
        **{field.name: getattr(row, field.name) for field in fields(DiscrepancyView)}
    )


def iterate_discrepancies(
    *, channel_code: str, statement_date: date | None = None, unresolved: bool = False
) -> Iterator[DiscrepancyView]:
    """Give the differences of a channel, of one day or of all, oldest first, without holding them all."""
    rows = Discrepancy.objects.filter(channel_code=channel_code)
    if statement_date is not None:
        rows = rows.filter(statement_date=statement_date)
    if unresolved:
        rows = rows.filter(resolved_at__isnull=True)
    for row in rows.order_by("statement_date", "discrepancy_no").iterator(chunk_size=1_000):
        yield view_discrepancy(row)


def list_newest_discrepancies(*, statement_no: str, limit: int = 50) -> list[Discrepancy]:
    """Return the newest differences that were found in a statement, at most ``limit``."""
    return list(Discrepancy.objects.filter(statement_no=statement_no).order_by("-pk")[:limit])
