"""One owner's accounts over one business day: balances, every fact that moved them, and the day's totals.

A movement between two accounts of the same owner (pending to available, say) adds up to nothing: he has neither more
nor less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

from django.db import connection

from ledger.contracts import AccountKind, BalanceView, OwnerMovement, OwnerTotal
from ledger.day_books import find_xact_bounds

CHUNK: Final = 500
"""Movements held in memory at a time."""

_BALANCES: Final = """
SELECT a.code, ledger_account_balance(a.code) FROM ledger_account AS a
 WHERE a.owner = %s AND a.kind = ANY (%s::text[]) ORDER BY a.currency, a.kind
"""

_MOVEMENTS: Final = """
WITH own AS MATERIALIZED (
    SELECT id FROM ledger_account WHERE owner = %s AND kind = ANY (%s::text[])
), move AS (
    SELECT p.journal_no, p.amount AS change, p.debit_account_id AS counter_id
      FROM own JOIN ledger_posting AS p ON p.credit_account_id = own.id
       AND p.xact_id BETWEEN %s::text::xid8 AND %s::text::xid8
    UNION ALL
    SELECT p.journal_no, -p.amount, p.credit_account_id
      FROM own JOIN ledger_posting AS p ON p.debit_account_id = own.id
       AND p.xact_id BETWEEN %s::text::xid8 AND %s::text::xid8
), fact AS (
    SELECT j.journal_no, j.event_type, j.event_id, j.created_at, j.currency,
           COALESCE(sum(m.change) FILTER (WHERE c.kind <> 'I10'), 0)::bigint AS amount,
           COALESCE(sum(m.change) FILTER (WHERE c.kind = 'I10'), 0)::bigint AS fee
      FROM move AS m
      JOIN ledger_journal AS j ON j.journal_no = m.journal_no AND j.accounting_date = %s
      JOIN ledger_account AS c ON c.id = m.counter_id
     GROUP BY j.journal_no
)
"""

_LIST: Final = (
    _MOVEMENTS
    + """
SELECT journal_no, event_type, event_id, created_at, currency, amount, fee FROM fact ORDER BY journal_no
"""
)

_TOTAL: Final = (
    _MOVEMENTS
    + """
SELECT currency, event_type, count(*) FILTER (WHERE amount <> 0), sum(amount)::bigint,
       count(*) FILTER (WHERE fee <> 0), sum(fee)::bigint
  FROM fact GROUP BY currency, event_type ORDER BY currency, event_type
"""
)


def list_owner_balances(*, owner: str, kinds: Sequence[AccountKind]) -> list[BalanceView]:
    """Return the balances of an owner's accounts of these kinds, by currency, out of one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, [owner, [str(kind) for kind in kinds]])
        return [
            BalanceView(account_code=code, balance=balance, held=0, available=balance)
            for code, balance in cursor.fetchall()
        ]


def list_owner_movements(
    *, owner: str, kinds: Sequence[AccountKind], accounting_date: date
) -> Iterator[list[OwnerMovement]]:
    """Yield what moved an owner's accounts on a business day, oldest first, a chunk at a time.

    All chunks come out of one snapshot that the server keeps; no transaction stays open for a slow reader.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(_LIST, _parameters(owner, kinds, accounting_date))
        while rows := cursor.fetchmany(CHUNK):
            yield [OwnerMovement(*row) for row in rows]


def total_owner_movements(
    *, owner: str, kinds: Sequence[AccountKind], accounting_date: date
) -> list[OwnerTotal]:
    """Return the same, added up by currency and event type."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTAL, _parameters(owner, kinds, accounting_date))
        return [OwnerTotal(*row) for row in cursor.fetchall()]


def _parameters(owner: str, kinds: Sequence[AccountKind], accounting_date: date) -> list[Any]:
    """Bound the search by the transactions that wrote the day, once it is closed: not the owner's whole history."""
    first, last = find_xact_bounds(from_date=accounting_date, to_date=accounting_date)
    bounds = [str(first), str(last)]
    return [owner, [str(kind) for kind in kinds], *bounds, *bounds, accounting_date]
