"""From a business fact to its postings 记账规则, continued: settlement with channels and merchants. Pure.

Written like ``posting_rules``: each function returns a draft, ``spend=True`` marks a debit that may not take its
account below zero. The number of each fact is unique for its event type: posting it again returns the first journal.
"""

from __future__ import annotations

from datetime import date

from ledger.chart import (
    channel_cost,
    channel_receivable,
    merchant_available,
    merchant_pending,
    payout_in_flight,
    platform_account,
)
from ledger.contracts import AccountKind, InvalidPosting, JournalDraft, PostingDraft


def build_channel_settled(
    *,
    reference: str,
    channel_code: str,
    currency: str,
    gross: int,
    cost: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A channel pays what it owes, ``gross``, less its own ``cost``: the rest is in our bank account.

    ``reference`` names the settlement, e.g. channel and file. Raises InvalidPosting for a cost above the gross amount.
    """
    if not 0 <= cost <= gross:
        message = f"cost {cost} of settlement {reference} is not between 0 and {gross}"
        raise InvalidPosting(message)
    owed = channel_receivable(channel_code=channel_code, currency=currency)
    bank = platform_account(kind=AccountKind.BANK, currency=currency)
    price = channel_cost(channel_code=channel_code, currency=currency)
    postings = [
        PostingDraft(debit, owed, amount)
        for debit, amount in ((bank, gross - cost), (price, cost))
        if amount
    ]
    return JournalDraft("channel_settled", reference, accounting_date, currency, tuple(postings))


def build_channel_cost_corrected(
    *,
    reference: str,
    channel_code: str,
    currency: str,
    change: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A channel has charged other than we booked: ``change`` more (positive), or less (negative)."""
    price = channel_cost(channel_code=channel_code, currency=currency)
    owed = channel_receivable(channel_code=channel_code, currency=currency)
    posting = (
        PostingDraft(price, owed, change) if change > 0 else PostingDraft(owed, price, -change)
    )
    return _one("channel_cost_corrected", reference, accounting_date, currency, posting)


def build_chargeback(
    *,
    chargeback_no: str,
    channel_code: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The channel pulls a payment back. May take the merchant's available money below zero; the order stays."""
    return _one(
        "chargeback",
        chargeback_no,
        accounting_date,
        currency,
        PostingDraft(
            merchant_available(merchant_no=merchant_no, currency=currency),
            channel_receivable(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def build_merchant_release(
    *,
    reference: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """T+n: what is due becomes available. ``reference`` names the part of a batch that this journal releases."""
    return _one(
        "merchant_release",
        reference,
        accounting_date,
        currency,
        PostingDraft(
            merchant_pending(merchant_no=merchant_no, currency=currency),
            merchant_available(merchant_no=merchant_no, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_payout_sent(
    *,
    payout_no: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A payout is approved: the money is on its way and can be spent on nothing else."""
    return _one(
        "payout_sent",
        payout_no,
        accounting_date,
        currency,
        PostingDraft(
            merchant_available(merchant_no=merchant_no, currency=currency),
            payout_in_flight(merchant_no=merchant_no, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_payout_confirmed(
    *,
    payout_no: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The bank has paid: it has left our account."""
    return _one(
        "payout_confirmed",
        payout_no,
        accounting_date,
        currency,
        PostingDraft(
            payout_in_flight(merchant_no=merchant_no, currency=currency),
            platform_account(kind=AccountKind.BANK, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_payout_failed(
    *,
    payout_no: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The bank has definitely not paid: the merchant's money is available again."""
    return _one(
        "payout_failed",
        payout_no,
        accounting_date,
        currency,
        PostingDraft(
            payout_in_flight(merchant_no=merchant_no, currency=currency),
            merchant_available(merchant_no=merchant_no, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_payout_returned(
    *,
    payout_no: str,
    merchant_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The bank had paid and has given it back: it is in our account, and the merchant's money is available again."""
    return _one(
        "payout_returned",
        payout_no,
        accounting_date,
        currency,
        PostingDraft(
            platform_account(kind=AccountKind.BANK, currency=currency),
            merchant_available(merchant_no=merchant_no, currency=currency),
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
    return JournalDraft(event_type, event_id, accounting_date, currency, (posting,))
