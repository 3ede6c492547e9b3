"""What can be done to the ledger. Each function is one call of a SQL function, the only writer there is.

All but the roll-up must run inside the caller's transaction: money moves with the fact it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from ledger.contracts import AccountingDayClosed, InsufficientBalance, JournalDraft
from ledger.day_books import find_closed_day, find_last_closed_day, find_last_marked_day
from ledger.entries import build_reversal
from ledger.models import Account
from ledger.selectors import find_journal, get_journal
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.hotsql import refusal_of
from paymentplatform.kernel.transactions import require, start

_log = structlog.get_logger(__name__)

_GRACE_S = 600
"""After the end of a day: longer than any transaction may take, so that nothing is dated so any more."""

_POST = (
    "SELECT ledger_post(%s, %s, %s, COALESCE(%s::date, (platform_now() AT TIME ZONE %s)::date), %s, "
    "%s::text[], %s::text[], %s::bigint[], %s::boolean[], %s::text[], %s)"
)


@require
def post_journal(*, draft: JournalDraft) -> str:
    """Post a journal and return its number; the first one's number when its event was posted before.

    Opens accounts that do not exist yet. Requires a transaction. Raises InsufficientBalance when a payer or
    an account that is spent from lacks money (nothing was written), HoldNotOpen or HoldNotFound for a hold
    that cannot be captured, AccountingDayClosed for a draft that is dated on a closed day. Other postings for a known
    event end in a database error: a bug.
    """
    if draft.accounting_date is not None:
        _require_open_day(draft)
    postings = draft.postings
    holds = [posting.hold_no for posting in postings]
    journal_no = _call(
        _POST,
        [
            numbers.new_number(numbers.JOURNAL),
            draft.event_type,
            draft.event_id,
            draft.accounting_date,
            settings.BUSINESS_TIME_ZONE,
            draft.currency,
            [posting.debit for posting in postings],
            [posting.credit for posting in postings],
            [posting.amount for posting in postings],
            [posting.spend for posting in postings],
            holds if any(holds) else None,
            draft.reverses,
        ],
    )
    if journal_no is None:
        raise InsufficientBalance
    return str(journal_no)


@require
def reverse_journal(*, journal_no: str, accounting_date: date | None = None) -> str:
    """Undo a journal by its mirror and return the mirror's number; the first one's when it was undone before.

    Requires a transaction. Raises JournalNotFound, or InsufficientBalance when the money has moved on.
    """
    draft = build_reversal(
        journal=get_journal(journal_no=journal_no), accounting_date=accounting_date
    )
    return post_journal(draft=draft)


@require
def place_hold(*, hold_no: str, account_code: str, amount: int, reference: str) -> None:
    """Set aside minor units of a payer's free balance. The same hold again changes nothing.

    Requires a transaction. Raises InsufficientBalance, having written nothing.
    """
    if not _call("SELECT ledger_hold(%s, %s, %s, %s)", [hold_no, account_code, amount, reference]):
        raise InsufficientBalance


@require
def release_hold(*, hold_no: str) -> bool:
    """Give a hold back to its payer; False when it was released before.

    Requires a transaction. Raises HoldNotOpen when a journal captured it, HoldNotFound when there is none.
    """
    return bool(_call("SELECT ledger_release_hold(%s)", [hold_no]))


@start
def seal_journals(*, limit: int) -> int:
    """Add the next block of some ``limit`` postings to the hash chain; return how many it has (start).

    Only what is certainly over is sealed. Safe to run at once in several processes: one of them does it.
    """
    return int(_call("SELECT ledger_seal_next(%s)", [limit]))


@start
def close_next_day() -> str:
    """Take the next step of closing the next accounting day that is over (start).

    Returns MARKED (call again), CLOSED, WAITING for what is still running or not sealed, or NOTHING.

    Without the session's time limit: a day may have millions of postings. Safe to run again and at once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    said = str(_call("SELECT ledger_close_day(%s, %s)", [settings.BUSINESS_TIME_ZONE, _GRACE_S]))
    if said == "CLOSED":
        transactions.after_commit(_announce_close)
    if said in {"MARKED", "CLOSED"}:
        failpoint("day_step_before_commit")
    return said


def rebuild_balances(*, account_codes: Sequence[str] | None = None) -> list[str]:
    """Set stored balances to what postings and holds say; return the codes of the accounts that were wrong.

    All accounts unless told which. Each in a transaction of its own, under its lock: safe on a busy platform.
    """
    accounts = Account.objects.order_by("id")
    if account_codes is not None:
        accounts = accounts.filter(code__in=account_codes)
    return [code for pk, code in accounts.values_list("id", "code").iterator() if _rebuild(pk)]


def _announce_close() -> None:
    """Leave the anchor of the day where the database cannot change it: in the log."""
    day = find_last_closed_day()
    closed = find_closed_day(accounting_date=day) if day is not None else None
    if closed is not None:
        _log.info(
            "accounting_day_closed",
            accounting_date=closed.accounting_date.isoformat(),
            journals=closed.journal_count,
            anchor=closed.anchor,
        )


@start
def _rebuild(account_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    return bool(_call("SELECT ledger_rebuild_balance(%s)", [account_id]))


def _require_open_day(draft: JournalDraft) -> None:
    """Raise AccountingDayClosed for a day that is being closed or is, unless the same fact stands in it already.

    The transaction gets its id before it looks: whoever closes the day waits for all who have not seen its mark.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    marked = find_last_marked_day()
    if marked is None or draft.accounting_date is None or draft.accounting_date > marked:
        return
    if find_journal(event_type=draft.event_type, event_id=draft.event_id) is None:
        raise AccountingDayClosed(f"The books are closed up to {marked}.")


@start
def roll_up_accounts(*, limit: int) -> int:
    """Bring the roll-ups of at most ``limit`` accounts with a tail forward; return how many.

    Starts a transaction. Safe to run at once in several processes: accounts that somebody holds are skipped.
    """
    return int(_call("SELECT ledger_roll_up(%s)", [limit]))


def _call(statement: str, parameters: Sequence[Any]) -> Any:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            row = cursor.fetchone()
    except DatabaseError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from error
    return row[0] if row else None
