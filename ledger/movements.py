"""An account's latest movements, a page at a time, through the index however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

_MOVEMENTS: Final = """
WITH own AS MATERIALIZED (SELECT id, credit_sign FROM ledger_account WHERE code = %(code)s),
move AS (
    (SELECT p.xact_id, p.journal_no, p.line_no, p.amount AS change
       FROM ledger_posting AS p WHERE p.credit_account_id = (SELECT id FROM own)
        AND (p.xact_id, p.journal_no, p.line_no) < (%(xact)s::text::xid8, %(journal)s::text, %(line)s::integer)
      ORDER BY p.xact_id DESC, p.journal_no DESC, p.line_no DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT p.xact_id, p.journal_no, p.line_no, -p.amount
       FROM ledger_posting AS p WHERE p.debit_account_id = (SELECT id FROM own)
        AND (p.xact_id, p.journal_no, p.line_no) < (%(xact)s::text::xid8, %(journal)s::text, %(line)s::integer)
      ORDER BY p.xact_id DESC, p.journal_no DESC, p.line_no DESC LIMIT %(limit)s)
    ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT %(limit)s
)
SELECT m.xact_id::text, m.journal_no, m.line_no, j.event_type, j.event_id, j.created_at, own.credit_sign * m.change
  FROM move AS m JOIN ledger_journal AS j ON j.journal_no = m.journal_no CROSS JOIN own
 ORDER BY m.xact_id DESC, m.journal_no DESC, m.line_no DESC
"""


@dataclass(frozen=True, slots=True)
class MovementKey:
    """Where a page of movements ends; the next one goes on after it."""

    xact_id: str
    journal_no: str
    line_no: int


_BEYOND_ALL: Final = MovementKey(str(2**64 - 1), "", 0)


@dataclass(frozen=True, slots=True)
class AccountMovement:
    """One movement; ``change`` is positive when the account grew on its normal side, in minor units."""

    key: MovementKey
    event_type: str
    event_id: str
    at: datetime
    change: int


def list_movements(
    *, account_code: str, limit: int, after: MovementKey | None = None
) -> list[AccountMovement]:
    """Return at most ``limit`` movements, the newest first, older than ``after``; none for an account never opened."""
    end = after or _BEYOND_ALL
    values: dict[str, str | int] = {
        "code": account_code,
        "limit": limit,
        "xact": end.xact_id,
        "journal": end.journal_no,
        "line": end.line_no,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVEMENTS, values)
        return [
            AccountMovement(MovementKey(xact, journal_no, line_no), *rest)
            for xact, journal_no, line_no, *rest in cursor.fetchall()
        ]
