"""What can be done to the ledger. Each function is one call of a SQL function, the only writer there is.

All but the roll-up must run inside the caller's transaction: money moves with the fact it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from ledger.contracts import InsufficientBalance, JournalDraft
from ledger.entries import build_reversal
from ledger.selectors import get_journal
from paymentplatform.kernel import numbers
from paymentplatform.kernel.hotsql import refusal_of
from paymentplatform.kernel.transactions import require, start

_POST = (
    "SELECT ledger_post(%s, %s, %s, COALESCE(%s::date, (platform_now() AT TIME ZONE %s)::date), %s, "
    "%s::text[], %s::text[], %s::bigint[], %s::boolean[], %s::text[], %s)"
)


@require
def post_journal(*, draft: JournalDraft) -> str:
    """Post a journal and return its number; the first one's number when its event was posted before.

    Opens accounts that do not exist yet. Requires a transaction. Raises InsufficientBalance when a payer or
    an account that is spent from lacks money (nothing was written), HoldNotOpen or HoldNotFound for a hold
    that cannot be captured. Other postings for a known event end in a database error: a bug.
    """
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
