"""Questions to the ledger. Balances are read from the primary in one snapshot, never from a cache."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from ledger.contracts import (
    AccountKind,
    BalanceView,
    JournalNotFound,
    JournalView,
    PostingView,
    StatementEntry,
)
from ledger.day_books import find_xact_bounds
from ledger.models import Account, Journal, Posting
from ledger.sealed_invariants import VERIFIED
from paymentplatform.kernel.invariants import Difference
from paymentplatform.kernel.transactions import one_snapshot

_BALANCES = """
SELECT c.code, ledger_account_balance(c.code), COALESCE(b.held, 0)
  FROM unnest(%s::text[]) WITH ORDINALITY AS c(code, n)
  LEFT JOIN ledger_account AS a ON a.code = c.code
  LEFT JOIN ledger_payer_balance AS b ON b.account_id = a.id
 ORDER BY c.n
"""

_STATEMENT = """
SELECT p.journal_no, p.line_no, j.event_type, j.event_id, j.accounting_date, j.created_at, o.code,
       a.credit_sign * CASE WHEN p.credit_account_id = a.id THEN p.amount ELSE -p.amount END
  FROM ledger_account AS a
  JOIN LATERAL (SELECT * FROM ledger_posting AS c WHERE c.credit_account_id = a.id
                   AND c.xact_id BETWEEN %s::text::xid8 AND %s::text::xid8
                UNION ALL
                SELECT * FROM ledger_posting AS d WHERE d.debit_account_id = a.id
                   AND d.xact_id BETWEEN %s::text::xid8 AND %s::text::xid8) AS p ON true
  JOIN ledger_journal AS j ON j.journal_no = p.journal_no
  JOIN ledger_account AS o
    ON o.id = CASE WHEN p.credit_account_id = a.id THEN p.debit_account_id ELSE p.credit_account_id END
 WHERE a.code = %s AND j.accounting_date BETWEEN %s AND %s
 ORDER BY p.journal_no, p.line_no
"""


def get_journal(*, journal_no: str) -> JournalView:
    """Return one journal with its postings. Raises JournalNotFound."""
    journal = Journal.objects.filter(journal_no=journal_no).first()
    if journal is None:
        raise JournalNotFound
    return _view(journal)


def find_journal(*, event_type: str, event_id: str) -> JournalView | None:
    """Return the journal of one business fact, None when it was not posted."""
    journal = Journal.objects.filter(event_type=event_type, event_id=event_id).first()
    return _view(journal) if journal is not None else None


def get_balance(*, account_code: str) -> BalanceView:
    """Return one account's balance; zero for an account that was never opened."""
    return list_balances(account_codes=[account_code])[0]


def list_balances(*, account_codes: Sequence[str]) -> list[BalanceView]:
    """Return the balances of these accounts, in their order, out of one snapshot."""
    return [
        BalanceView(account_code=code, balance=balance, held=held, available=balance - held)
        for code, balance, held in _rows(_BALANCES, [list(account_codes)])
    ]


def list_account_owners(*, kinds: Sequence[AccountKind]) -> list[tuple[str, str]]:
    """Return every (owner, currency) that has an account of one of these kinds, sorted."""
    accounts = Account.objects.filter(kind__in=[str(kind) for kind in kinds])
    return sorted(set(accounts.values_list("owner", "currency")))


def list_statement_entries(
    *, account_code: str, from_date: date, to_date: date
) -> list[StatementEntry]:
    """Return an account's movements with accounting dates in this range, both ends included, oldest first."""
    first, last = find_xact_bounds(from_date=from_date, to_date=to_date)
    bounds = [str(first), str(last)]
    parameters = [*bounds, *bounds, account_code, from_date, to_date]
    return [StatementEntry(*row) for row in _rows(_STATEMENT, parameters)]


def find_wrong_balances(*, account_codes: Sequence[str] | None = None) -> list[str]:
    """Return the codes of accounts whose stored balance is not what postings and holds say. Not in a transaction."""
    found = {
        row.subject for row in find_differences() if row.invariant in {3, 4} and ":" in row.subject
    }
    known = Account.objects.filter(code__in=found).values_list("code", flat=True)
    return sorted(code for code in known if account_codes is None or code in account_codes)


def find_differences() -> list[Difference]:
    """Return every row that breaks a promise of the ledger, seals and closed days too, out of one snapshot.

    Not in a transaction.
    """
    with one_snapshot():
        return [
            Difference(invariant.number, invariant.title, str(subject), str(problem))
            for invariant in VERIFIED
            for subject, problem in _rows(invariant.sql)
        ]


def _rows(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _view(journal: Journal) -> JournalView:
    postings = (
        Posting.objects.filter(journal_no=journal.journal_no)
        .select_related("debit_account", "credit_account")
        .order_by("line_no")
    )
    return JournalView(
        journal_no=journal.journal_no,
        event_type=journal.event_type,
        event_id=journal.event_id,
        accounting_date=journal.accounting_date,
        currency=journal.currency,
        created_at=journal.created_at,
        reverses=journal.reverses,
        reversed_by=Journal.objects.filter(reverses=journal.journal_no)
        .values_list("journal_no", flat=True)
        .first(),
        postings=tuple(
            PostingView(
                line_no=posting.line_no,
                debit=posting.debit_account.code,
                credit=posting.credit_account.code,
                amount=posting.amount,
                currency=posting.currency,
            )
            for posting in postings
        ),
    )
