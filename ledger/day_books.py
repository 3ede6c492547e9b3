"""The books by accounting day: balances at the end of a day, turnover between two days, which days are closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Max

from ledger.contracts import AccountKind, TrialBalance, TrialBalanceRow
from ledger.models import AccountingDay, Seal
from paymentplatform.kernel.transactions import one_snapshot

_MOVES: Final = """
WITH closed AS (
    SELECT COALESCE(max(accounting_date), '-infinity') AS day FROM ledger_day WHERE closed_at IS NOT NULL
), move AS (
    SELECT b.account_id, b.accounting_date AS day, b.debits, b.credits
      FROM ledger_daily_balance AS b CROSS JOIN closed
     WHERE b.accounting_date <= LEAST(closed.day, COALESCE(%(day)s::date, 'infinity'))
    UNION ALL
    SELECT s.account_id, s.day, sum(s.debit), sum(s.credit)
      FROM (SELECT p.debit_account_id AS account_id, j.accounting_date AS day, p.amount AS debit, 0 AS credit
              FROM ledger_journal AS j JOIN ledger_posting AS p ON p.journal_no = j.journal_no
             WHERE j.accounting_date > (SELECT closed.day FROM closed)
               AND j.accounting_date <= COALESCE(%(day)s::date, 'infinity')
            UNION ALL
            SELECT p.credit_account_id, j.accounting_date, 0, p.amount
              FROM ledger_journal AS j JOIN ledger_posting AS p ON p.journal_no = j.journal_no
             WHERE j.accounting_date > (SELECT closed.day FROM closed)
               AND j.accounting_date <= COALESCE(%(day)s::date, 'infinity')) AS s
     GROUP BY s.account_id, s.day
)
"""

_TRIAL_BALANCE: Final = (
    _MOVES
    + """
SELECT a.currency, a.kind, count(DISTINCT a.id),
       COALESCE(sum(m.debits) FILTER (WHERE m.day >= COALESCE(%(from)s::date, '-infinity')), 0)::bigint,
       COALESCE(sum(m.credits) FILTER (WHERE m.day >= COALESCE(%(from)s::date, '-infinity')), 0)::bigint,
       (a.credit_sign * (sum(m.credits) - sum(m.debits)))::bigint
  FROM move AS m
  JOIN ledger_account AS a ON a.id = m.account_id
 GROUP BY a.currency, a.kind, a.credit_sign
 ORDER BY a.currency, a.kind
"""
)

_BALANCE_AT: Final = """
SELECT a.credit_sign * COALESCE((
           SELECT sum(CASE WHEN p.credit_account_id = a.id THEN p.amount ELSE -p.amount END)
             FROM (SELECT c.* FROM ledger_posting AS c WHERE c.credit_account_id = a.id
                   UNION ALL
                   SELECT d.* FROM ledger_posting AS d WHERE d.debit_account_id = a.id) AS p
             JOIN ledger_journal AS j ON j.journal_no = p.journal_no
            WHERE j.accounting_date > r.closed AND j.accounting_date <= %(day)s), 0)
       + COALESCE((SELECT b.balance FROM ledger_daily_balance AS b
                    WHERE b.account_id = a.id AND b.accounting_date <= LEAST(r.closed, %(day)s)
                    ORDER BY b.accounting_date DESC LIMIT 1), 0)
  FROM ledger_account AS a
 CROSS JOIN (SELECT COALESCE(max(d.accounting_date), '-infinity') AS closed
               FROM ledger_day AS d WHERE d.closed_at IS NOT NULL) AS r
 WHERE a.code = %(code)s
"""


ALL_XACTS: Final = 2**63 - 1
"""Above every transaction id there will be."""


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A closed accounting day; ``first_xact`` to ``last_xact`` wrote all that is dated so, ``anchor`` proves it."""

    accounting_date: date
    closed_at: datetime
    first_xact: int | None
    last_xact: int | None
    journal_count: int | None
    posting_count: int | None
    anchor: str | None


def find_last_closed_day() -> date | None:
    """Return the last closed accounting day: nothing is posted on it, or before it, any more."""
    closed = AccountingDay.objects.filter(closed_at__isnull=False)
    last: date | None = closed.aggregate(last=Max("accounting_date"))["last"]
    return last


def find_last_marked_day() -> date | None:
    """Return the last day that is closed or being closed: nothing is dated on it, or before it, by choice."""
    last: date | None = AccountingDay.objects.aggregate(last=Max("accounting_date"))["last"]
    return last


def find_closed_day(*, accounting_date: date) -> ClosedDay | None:
    """Return a closed day that has journals, None when it has none or is open."""
    day = AccountingDay.objects.filter(pk=accounting_date, closed_at__isnull=False).first()
    if day is None or day.closed_at is None:
        return None
    return ClosedDay(
        accounting_date=day.accounting_date,
        closed_at=day.closed_at,
        first_xact=day.first_xact,
        last_xact=day.last_xact,
        journal_count=day.journal_count,
        posting_count=day.posting_count,
        anchor=day.anchor,
    )


def is_sealed(*, anchor: str) -> bool:
    """Tell whether this hash is that of a block of the chain."""
    return Seal.objects.filter(hash=anchor).exists()


def find_xact_bounds(*, from_date: date, to_date: date) -> tuple[int, int]:
    """Return the first and the last transaction that wrote what is dated from one day to another, both included.

    Exact for closed days (an empty range when they have no journals); everything while one of them is open.
    """
    closed = find_last_closed_day()
    if closed is None or to_date > closed:
        return 0, ALL_XACTS
    found = AccountingDay.objects.filter(accounting_date__range=(from_date, to_date))
    bounds = [
        (day.first_xact, day.last_xact)
        for day in found.filter(closed_at__isnull=False).only("first_xact", "last_xact")
    ]
    if not bounds:
        return ALL_XACTS, 0
    return min(first for first, _ in bounds), max(last for _, last in bounds)


def get_balance_at(*, account_code: str, accounting_date: date) -> int:
    """Return an account's balance at the end of a day, positive on its normal side; 0 before it was opened.

    From the daily balance of a closed day; movements of open days are added up.
    """
    rows = _rows(_BALANCE_AT, {"code": account_code, "day": accounting_date})
    return int(rows[0][0]) if rows else 0


def get_trial_balance(
    *, accounting_date: date | None = None, from_date: date | None = None
) -> TrialBalance:
    """Return debits and credits per currency and kind from one day to another, both included, and the balance then.

    Without ``from_date`` from the beginning, without ``accounting_date`` up to now. Reads the daily balances of
    closed days and every posting of the others, in one snapshot without the session's time limit. Not in a transaction.
    """
    with one_snapshot():
        rows = _rows(_TRIAL_BALANCE, {"day": accounting_date, "from": from_date})
    return TrialBalance(
        accounting_date=accounting_date,
        from_date=from_date,
        rows=tuple(
            TrialBalanceRow(currency, AccountKind(kind), *figures)
            for currency, kind, *figures in rows
        ),
    )


def _rows(statement: str, parameters: Any) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
