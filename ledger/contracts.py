"""What crosses the ledger's wall: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from paymentplatform.kernel.errors import Conflict, NotFound

REVERSIBLE_BY_HAND: Final = frozenset({"top_up", "platform_funding"})
"""Facts behind which no order, payment, refund or statement stands: their mirror makes no other table a liar."""


class AccountKind(StrEnum):
    """Kinds of account 科目. The first letter says the class: asset, liability, income, expense, equity."""

    CHANNEL_RECEIVABLE = "A10"
    BANK = "A20"
    CHANNEL_SHORT = "A90"
    PAYER_BALANCE = "L10"
    MERCHANT_PENDING = "L20"
    MERCHANT_AVAILABLE = "L21"
    PAYOUT_IN_FLIGHT = "L22"
    REFUND_IN_TRANSIT = "L30"
    SUSPENSE = "L90"
    FEE_INCOME = "I10"
    CHANNEL_COST = "X10"
    RECONCILIATION_LOSS = "X90"
    PLATFORM_CAPITAL = "E10"


class HoldStatus(StrEnum):
    """States of a hold 冻结; the last two are terminal."""

    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class PostingDraft:
    """One movement 分录: ``amount`` minor units from the debit account to the credit account.

    ``spend`` asks for the floor check of the debited account (merchant and transit accounts; payer balances
    are always checked). ``hold_no`` captures that hold: the payer's money comes out of it.
    """

    debit: str
    credit: str
    amount: int
    spend: bool = False
    hold_no: str | None = None


@dataclass(frozen=True, slots=True)
class JournalDraft:
    """One business fact 记账凭证, not posted yet. ``(event_type, event_id)`` makes posting it idempotent.

    ``accounting_date`` None is the business day on which it is posted.
    """

    event_type: str
    event_id: str
    accounting_date: date | None
    currency: str
    postings: tuple[PostingDraft, ...]
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class PostingView:
    """One posted movement, in minor units, between two account codes."""

    line_no: int
    debit: str
    credit: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class JournalView:
    """One posted journal. ``reversed_by`` names the journal that undid it."""

    journal_no: str
    event_type: str
    event_id: str
    accounting_date: date
    currency: str
    created_at: datetime
    reverses: str | None
    reversed_by: str | None
    postings: tuple[PostingView, ...]


@dataclass(frozen=True, slots=True)
class BalanceView:
    """One account's balance, positive on its normal side; something is ``held`` for payers only."""

    account_code: str
    balance: int
    held: int
    available: int


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One line of an account statement; ``change`` is positive when the account grew on its normal side."""

    journal_no: str
    line_no: int
    event_type: str
    event_id: str
    accounting_date: date
    created_at: datetime
    counter_account: str
    change: int


@dataclass(frozen=True, slots=True)
class OwnerMovement:
    """One fact on an owner's accounts: what it changed, and the fee in it; positive is in the owner's favour."""

    journal_no: str
    event_type: str
    event_id: str
    created_at: datetime
    currency: str
    amount: int
    fee: int


@dataclass(frozen=True, slots=True)
class OwnerTotal:
    """The facts of one type on an owner's accounts, added up; the counts are of those that are not zero."""

    currency: str
    event_type: str
    count: int
    amount: int
    fee_count: int
    fee: int


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """Turnover of one kind of account in one currency up to a date; ``balance`` is on the normal side."""

    currency: str
    kind: AccountKind
    accounts: int
    debits: int
    credits: int
    balance: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Trial balance 试算平衡 up to and including ``accounting_date`` (None: everything posted).

    Debits and credits are those from ``from_date`` on (None: from the beginning).
    """

    accounting_date: date | None
    rows: tuple[TrialBalanceRow, ...]
    from_date: date | None = None

    @property
    def is_balanced(self) -> bool:
        """Whether debits equal credits in every currency."""
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row.currency] = totals.get(row.currency, 0) + row.debits - row.credits
        return not any(totals.values())


class InsufficientBalance(Conflict):
    """A payer, or an account that is spent from, has less than the journal takes. Nothing was written."""

    code = "insufficient_balance"
    title = "The balance is not sufficient"


class AccountingDayClosed(Conflict):
    """The journal would be dated on a day whose books are closed; nothing was written."""

    code = "accounting_day_closed"
    title = "The books of this day are closed"


class HoldNotOpen(Conflict):
    """The hold was captured or released before."""

    code = "hold_not_open"
    title = "The hold is not open"


class HoldNotFound(NotFound):
    """There is no such hold."""

    code = "hold_not_found"
    title = "No such hold"


class JournalNotFound(NotFound):
    """There is no such journal."""

    code = "journal_not_found"
    title = "No such journal"


class InvalidPosting(ValueError):
    """A draft that cannot be posted: a mistake of the program, never of a merchant."""
