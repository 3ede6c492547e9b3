"""From a business fact to its postings 记账规则, continued: what channels have more, or less, than we. Pure.

Written like ``posting_rules``: each function returns a draft, ``spend=True`` marks a debit that may not take its
account below zero. The number of each fact is unique for its event type: posting it again returns the first journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.chart import (
    channel_receivable,
    channel_short,
    merchant_available,
    merchant_pending,
    platform_account,
    suspense,
)
from ledger.contracts import AccountKind, JournalDraft, PostingDraft


def build_channel_long_found(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Long 长款: the channel's file has money that we know nothing of. It waits in suspense."""
    return _one(
        "channel_long",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            channel_receivable(channel_code=channel_code, currency=currency),
            suspense(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def build_channel_long_withdrawn(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The channel took its long money back, or gave it back to the payer by itself: out of suspense."""
    return _one(
        "channel_long_withdrawn",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            suspense(channel_code=channel_code, currency=currency),
            channel_receivable(channel_code=channel_code, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_channel_long_credited(
    *,
    discrepancy_no: str,
    channel_code: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Long money was found to be a merchant's: out of suspense, to be released like a payment."""
    return _one(
        "channel_long_credited",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            suspense(channel_code=channel_code, currency=currency),
            merchant_pending(merchant_no=merchant_no, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_channel_loss_recovered(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    credited: int = 0,
    merchant_no: str = "",
    accounting_date: date | None = None,
) -> JournalDraft:
    """What was written off has come after all: out of suspense, and the loss is smaller.

    Where more has come than the platform had borne, ``credited`` of the amount is the merchant's.
    """
    waiting = suspense(channel_code=channel_code, currency=currency)
    loss = platform_account(kind=AccountKind.RECONCILIATION_LOSS, currency=currency)
    shares = [(loss, amount - credited)]
    if credited:
        shares.append((merchant_pending(merchant_no=merchant_no, currency=currency), credited))
    return _shared(
        ("channel_loss_recovered", discrepancy_no, accounting_date),
        currency,
        [PostingDraft(waiting, account, share, spend=True) for account, share in shares],
    )


def build_late_money_pulled_back(
    *,
    reference: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Late money whose chargeback was written off: its payer has it, and what waits in suspense makes good the loss.

    ``reference`` is the late money's number, or names one of several parts of it.
    """
    return _one(
        "late_money_pulled_back",
        reference,
        accounting_date,
        currency,
        PostingDraft(
            suspense(channel_code=channel_code, currency=currency),
            platform_account(kind=AccountKind.RECONCILIATION_LOSS, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_channel_short_found(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Short 短款: after the days of grace the channel still does not have what we booked."""
    return _one(
        "channel_short",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            channel_short(channel_code=channel_code, currency=currency),
            channel_receivable(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def build_channel_short_recovered(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Short money stands in a later file after all."""
    return _one(
        "channel_short_recovered",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            channel_receivable(channel_code=channel_code, currency=currency),
            channel_short(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def build_channel_short_charged(
    *,
    discrepancy_no: str,
    channel_code: str,
    merchant_no: str,
    currency: str,
    amount: int,
    written_off: int = 0,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The merchant bears it, by agreement. May take his available money below zero; the next release nets it.

    ``written_off`` of the amount is not his to bear: a chargeback of more than his charge still has. The platform does.
    """
    short = channel_short(channel_code=channel_code, currency=currency)
    shares = [
        (merchant_available(merchant_no=merchant_no, currency=currency), amount - written_off)
    ]
    if written_off:
        loss = platform_account(kind=AccountKind.RECONCILIATION_LOSS, currency=currency)
        shares.append((loss, written_off))
    return _shared(
        ("channel_short_charged", discrepancy_no, accounting_date),
        currency,
        [PostingDraft(account, short, share) for account, share in shares],
    )


def build_channel_short_written_off(
    *,
    discrepancy_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The platform bears it: a loss."""
    return _one(
        "channel_short_written_off",
        discrepancy_no,
        accounting_date,
        currency,
        PostingDraft(
            platform_account(kind=AccountKind.RECONCILIATION_LOSS, currency=currency),
            channel_short(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def _one(
    event_type: str,
    event_id: str,
    accounting_date: date | None,
    currency: str,
    posting: PostingDraft,
) -> JournalDraft:
    return _shared((event_type, event_id, accounting_date), currency, [posting])


def _shared(
    fact: tuple[str, str, date | None], currency: str, postings: Iterable[PostingDraft]
) -> JournalDraft:
    event_type, event_id, accounting_date = fact
    return JournalDraft(event_type, event_id, accounting_date, currency, tuple(postings))
