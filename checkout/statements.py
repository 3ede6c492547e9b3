"""The payer's statement 付款人对账单: opening balance, every movement, closing balance, out of ledger postings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings

from checkout.models import PayerWallet
from ledger import api as ledger
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from paymentplatform.kernel.money import CURRENCY_EXPONENTS
from paymentplatform.kernel.transactions import one_snapshot

DEFAULT_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement: ``amount`` is positive when the payer got money, ``balance`` what there was afterwards."""

    at: datetime
    accounting_date: date
    event_type: str
    reference: str
    journal_no: str
    amount: int
    balance: int
    currency: str


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """One currency of a statement, in minor units."""

    currency: str
    opening_balance: int
    movements: tuple[Movement, ...]
    closing_balance: int


@dataclass(frozen=True, slots=True)
class PayerStatement:
    """Every currency that the payer ever had; both dates belong to it (business days)."""

    payer_no: str
    display_name: str
    from_date: date
    to_date: date
    accounts: tuple[AccountStatement, ...]


def get_payer_statement(
    *, payer_no: str, from_date: date | None = None, to_date: date | None = None
) -> PayerStatement:
    """Return the statement out of one snapshot; the last 30 days unless told. Not inside a transaction.

    Raises NotFound for an unknown payer, InvalidRequest when the dates are the wrong way round.
    """
    with one_snapshot():
        wallet = PayerWallet.objects.filter(payer_no=payer_no).first()
        if wallet is None:
            raise NotFound(f"There is no payer {payer_no}.")
        zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
        last = to_date or max(database_now().astimezone(zone).date(), from_date or date.min)
        first = from_date or max(last - timedelta(days=DEFAULT_DAYS), date.min)
        if first > last:
            raise InvalidRequest("The first day must not come after the last one.")
        accounts = (
            _get_account(payer_no=payer_no, currency=currency, first=first, last=last)
            for currency in CURRENCY_EXPONENTS
        )
        return PayerStatement(
            payer_no=payer_no,
            display_name=wallet.display_name,
            from_date=first,
            to_date=last,
            accounts=tuple(account for account in accounts if account is not None),
        )


def _get_account(
    *, payer_no: str, currency: str, first: date, last: date
) -> AccountStatement | None:
    """Count back from today's balance, so that only postings since ``first`` are read."""
    code = ledger.payer_balance(payer_no=payer_no, currency=currency)
    balance = ledger.get_balance(account_code=code).balance
    entries = ledger.list_statement_entries(account_code=code, from_date=first, to_date=date.max)
    running = opening = balance - sum(entry.change for entry in entries)
    movements = []
    for entry in entries:
        if entry.accounting_date > last:
            continue
        running += entry.change
        movements.append(
            Movement(
                at=entry.created_at,
                accounting_date=entry.accounting_date,
                event_type=entry.event_type,
                reference=entry.event_id,
                journal_no=entry.journal_no,
                amount=entry.change,
                balance=running,
                currency=currency,
            )
        )
    if not (opening or entries):
        return None
    return AccountStatement(currency, opening, tuple(movements), running)
