"""From a business fact to its postings 记账规则: the accountant's file. Pure.

Each function returns a draft to hand to ``post_journal``. ``spend=True`` marks a debit that may not take its
account below zero and is not paid for by the journal itself. Without an ``accounting_date`` the journal
belongs to the business day on which it is posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ledger.chart import (
    channel_receivable,
    merchant_available,
    merchant_pending,
    payer_balance,
    platform_account,
    refund_in_transit,
    suspense,
)
from ledger.contracts import AccountKind, InvalidPosting, JournalDraft, PostingDraft


@dataclass(frozen=True, slots=True)
class ChannelLeg:
    """The part of a payment that a channel collected, or of a refund that it gives back."""

    channel_code: str
    amount: int


@dataclass(frozen=True, slots=True)
class BalanceLeg:
    """The part that comes out of a payer's balance (through a hold if there is one), or goes back into it."""

    payer_no: str
    amount: int
    hold_no: str | None = None


Leg = ChannelLeg | BalanceLeg


def build_payment_paid(
    *,
    payment_no: str,
    merchant_no: str,
    currency: str,
    legs: tuple[Leg, ...],
    fee: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Paid: every leg becomes the merchant's pending claim, then the fee leaves it, in one journal.

    The fee needs no floor check: the legs of the same journal give the account at least as much.
    """
    if not 0 <= fee <= sum(leg.amount for leg in legs):
        message = f"fee {fee} of payment {payment_no} is not between 0 and its amount"
        raise InvalidPosting(message)
    claim = merchant_pending(merchant_no=merchant_no, currency=currency)
    postings = [_leg_posting(leg, claim, currency) for leg in legs]
    if fee:
        postings.append(PostingDraft(claim, _fee_income(currency), fee))
    return JournalDraft("payment_paid", payment_no, accounting_date, currency, tuple(postings))


def build_late_money_received(
    *,
    late_money_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Late or unexplained money: the channel owes it to us, and it waits in suspense."""
    return _one(
        "late_money",
        late_money_no,
        accounting_date,
        currency,
        PostingDraft(
            channel_receivable(channel_code=channel_code, currency=currency),
            suspense(channel_code=channel_code, currency=currency),
            amount,
        ),
    )


def build_late_money_honoured(
    *,
    late_money_no: str,
    channel_code: str,
    merchant_no: str,
    currency: str,
    amount: int,
    fee: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Late money that the merchant keeps after all: out of suspense, then the fee."""
    if not 0 <= fee <= amount:
        message = f"fee {fee} of late money {late_money_no} is not between 0 and its amount"
        raise InvalidPosting(message)
    claim = merchant_pending(merchant_no=merchant_no, currency=currency)
    source = suspense(channel_code=channel_code, currency=currency)
    postings = [PostingDraft(source, claim, amount, spend=True)]
    if fee:
        postings.append(PostingDraft(claim, _fee_income(currency), fee))
    return JournalDraft(
        "late_money_honoured", late_money_no, accounting_date, currency, tuple(postings)
    )


def build_late_money_refund_sent(
    *,
    refund_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """Late money goes back: from suspense into transit. ``refund_no`` is this try's own number."""
    return _one(
        "late_money_refund_sent",
        refund_no,
        accounting_date,
        currency,
        PostingDraft(
            suspense(channel_code=channel_code, currency=currency),
            refund_in_transit(channel_code=channel_code, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_late_money_refund_failed(
    *,
    refund_no: str,
    channel_code: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The refund of late money was refused: back into suspense."""
    return _one(
        "late_money_refund_failed",
        refund_no,
        accounting_date,
        currency,
        PostingDraft(
            refund_in_transit(channel_code=channel_code, currency=currency),
            suspense(channel_code=channel_code, currency=currency),
            amount,
            spend=True,
        ),
    )


def build_refund_accepted(
    *,
    refund_no: str,
    merchant_no: str,
    source: AccountKind,
    legs: tuple[Leg, ...],
    currency: str,
    returned_fee: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A refund takes the merchant's money (``source``: pending or available) into transit, leg by leg.

    The returned fee is credited in the same journal, before the floor check. Raises InvalidPosting for another
    source or a fee above the amount.
    """
    if not 0 <= returned_fee <= sum(leg.amount for leg in legs):
        message = (
            f"returned fee {returned_fee} of refund {refund_no} is not between 0 and its amount"
        )
        raise InvalidPosting(message)
    account = _merchant_source(source=source, merchant_no=merchant_no, currency=currency)
    postings = [
        PostingDraft(account, _transit_of(leg, currency), leg.amount, spend=True) for leg in legs
    ]
    if returned_fee:
        postings.append(PostingDraft(_fee_income(currency), account, returned_fee))
    return JournalDraft("refund_accepted", refund_no, accounting_date, currency, tuple(postings))


def build_refund_done(
    *,
    refund_no: str,
    legs: tuple[Leg, ...],
    currency: str,
    accounting_date: date | None = None,
) -> JournalDraft:
    """The payer has it (also late money): the channel owes us less, the balance holds its part again."""
    postings = tuple(
        PostingDraft(_transit_of(leg, currency), _asset_of(leg, currency), leg.amount, spend=True)
        for leg in legs
    )
    return JournalDraft("refund_done", refund_no, accounting_date, currency, postings)


def build_refund_failed(
    *,
    refund_no: str,
    merchant_no: str,
    source: AccountKind,
    legs: tuple[Leg, ...],
    currency: str,
    returned_fee: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A refund came to nothing: its money and its returned fee go back where they came from."""
    account = _merchant_source(source=source, merchant_no=merchant_no, currency=currency)
    postings = [
        PostingDraft(_transit_of(leg, currency), account, leg.amount, spend=True) for leg in legs
    ]
    if returned_fee:
        postings.append(PostingDraft(account, _fee_income(currency), returned_fee))
    return JournalDraft("refund_failed", refund_no, accounting_date, currency, tuple(postings))


def build_top_up(
    *,
    reference: str,
    payer_no: str,
    currency: str,
    amount: int,
    accounting_date: date | None = None,
) -> JournalDraft:
    """A payer's balance is topped up from the bank. ``reference`` names the approved proposal."""
    return _one(
        "top_up",
        reference,
        accounting_date,
        currency,
        PostingDraft(
            platform_account(kind=AccountKind.BANK, currency=currency),
            payer_balance(payer_no=payer_no, currency=currency),
            amount,
        ),
    )


def build_platform_funding(
    *, reference: str, currency: str, amount: int, accounting_date: date | None = None
) -> JournalDraft:
    """The platform pays in capital of its own."""
    return _one(
        "platform_funding",
        reference,
        accounting_date,
        currency,
        PostingDraft(
            platform_account(kind=AccountKind.BANK, currency=currency),
            platform_account(kind=AccountKind.PLATFORM_CAPITAL, currency=currency),
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


def _leg_posting(leg: Leg, claim: str, currency: str) -> PostingDraft:
    hold_no = leg.hold_no if isinstance(leg, BalanceLeg) else None
    return PostingDraft(_asset_of(leg, currency), claim, leg.amount, hold_no=hold_no)


def _asset_of(leg: Leg, currency: str) -> str:
    if isinstance(leg, ChannelLeg):
        return channel_receivable(channel_code=leg.channel_code, currency=currency)
    return payer_balance(payer_no=leg.payer_no, currency=currency)


def _transit_of(leg: Leg, currency: str) -> str:
    channel_code = leg.channel_code if isinstance(leg, ChannelLeg) else None
    return refund_in_transit(channel_code=channel_code, currency=currency)


def _merchant_source(*, source: AccountKind, merchant_no: str, currency: str) -> str:
    if source is AccountKind.MERCHANT_PENDING:
        return merchant_pending(merchant_no=merchant_no, currency=currency)
    if source is AccountKind.MERCHANT_AVAILABLE:
        return merchant_available(merchant_no=merchant_no, currency=currency)
    message = f"a refund cannot come out of {source}"
    raise InvalidPosting(message)


def _fee_income(currency: str) -> str:
    return platform_account(kind=AccountKind.FEE_INCOME, currency=currency)
