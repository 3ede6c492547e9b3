"""Drafts of journals that are made from other journals: the mirror. Pure."""

from __future__ import annotations

from datetime import date

from ledger.chart import CHART, parse_account_code
from ledger.contracts import JournalDraft, JournalView, PostingDraft


def build_reversal(*, journal: JournalView, accounting_date: date | None) -> JournalDraft:
    """Build the mirror 冲正 of a posted journal. Its event is that journal: there is one at most."""
    return JournalDraft(
        event_type="reversal",
        event_id=journal.journal_no,
        accounting_date=accounting_date,
        currency=journal.currency,
        postings=tuple(
            PostingDraft(
                debit=posting.credit,
                credit=posting.debit,
                amount=posting.amount,
                spend=is_floored(posting.credit),
            )
            for posting in journal.postings
        ),
        reverses=journal.journal_no,
    )


def is_floored(account_code: str) -> bool:
    """Tell whether spending may not take this account below zero."""
    return CHART[parse_account_code(account_code).kind].floored
