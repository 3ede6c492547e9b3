"""What a payer sees of his own wallet: balances, movements, agreements. Asks; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings

from acquiring import api as acquiring
from checkout.models import AgreementUse, PayerAgreement, PayerWallet
from engine import api as engine
from ledger import api as ledger
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.lists import build_fault
from paymentplatform.kernel.money import CURRENCY_EXPONENTS, is_currency
from paymentplatform.kernel.numbers import AGREEMENT, JOURNAL, is_number

PAGE: Final = 20
LOOKED_AT: Final = 200
"""So many of the payer's latest movements are searched for payments under one agreement."""


@dataclass(frozen=True, slots=True)
class OwnBalance:
    """One currency of a wallet, in minor units; ``held`` is set aside for payments under way."""

    currency: str
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class OwnMovement:
    """One movement, positive when the payer got money, in minor units."""

    at: datetime
    event_type: str
    reference: str
    amount: int


@dataclass(frozen=True, slots=True)
class OwnWallet:
    """A payer's wallet: its balances, and one page of the movements of ``currency``, the newest first."""

    payer_no: str
    display_name: str
    balances: tuple[OwnBalance, ...]
    currency: str
    movements: tuple[OwnMovement, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class OwnAgreement:
    """What the payer lets a merchant take; limits and ``taken_today`` in minor units."""

    agreement_no: str
    merchant_name: str
    currency: str
    max_per_payment: int
    max_per_day: int
    taken_today: int
    created_at: datetime
    revoked_at: datetime | None


def get_own_wallet(*, payer_no: str, currency: str | None, cursor: str | None) -> OwnWallet:
    """Return balances, and movements of this currency or the first one. Raises NotFound, InvalidRequest."""
    wallet = PayerWallet.objects.filter(payer_no=payer_no).first()
    if wallet is None:
        raise NotFound
    if currency is not None and not is_currency(currency):
        raise build_fault("currency", "an enabled ISO 4217 code")
    balances = _list_balances(payer_no)
    shown = currency or balances[0].currency
    found = ledger.list_movements(
        account_code=ledger.payer_balance(payer_no=payer_no, currency=shown),
        limit=PAGE + 1,
        after=_read_cursor(cursor) if cursor is not None else None,
    )
    movements = tuple(
        OwnMovement(row.at, row.event_type, row.event_id, row.change) for row in found
    )
    last = found[PAGE - 1].key if len(found) > PAGE else None
    return OwnWallet(
        payer_no=payer_no,
        display_name=wallet.display_name,
        balances=balances,
        currency=shown,
        movements=movements[:PAGE],
        next_cursor=f"{last.xact_id}.{last.journal_no}.{last.line_no}" if last else None,
    )


def list_own_agreements(
    *, payer_no: str, cursor: str | None
) -> tuple[list[OwnAgreement], str | None]:
    """Return one page of the payer's agreements, the newest first, and where to go on. Raises InvalidRequest."""
    found = PayerAgreement.objects.filter(payer_id=payer_no).order_by("-agreement_no")
    if cursor is not None:
        if not is_number(cursor, AGREEMENT):
            raise build_fault("cursor", "a link of this list")
        found = found.filter(agreement_no__lt=cursor)
    rows = list(found[: PAGE + 1])
    today = _today()
    following = rows[PAGE - 1].agreement_no if len(rows) > PAGE else None
    return [_view(row, today) for row in rows[:PAGE]], following


def get_own_agreement(
    *, payer_no: str, agreement_no: str
) -> tuple[OwnAgreement, list[OwnMovement]]:
    """Return one agreement and what was taken under it, among the payer's latest movements in its currency.

    Raises NotFound, also for another payer's.
    """
    row = PayerAgreement.objects.filter(payer_id=payer_no, agreement_no=agreement_no).first()
    if row is None:
        raise NotFound
    return _view(row, _today()), _list_taken(row)


def _list_taken(row: PayerAgreement) -> list[OwnMovement]:
    found = ledger.list_movements(
        account_code=ledger.payer_balance(payer_no=row.payer_id, currency=row.currency),
        limit=LOOKED_AT,
    )
    paid = [one for one in found if one.event_type == "payment_paid" and one.at >= row.created_at]
    numbers = [one.event_id for one in paid]
    uses = AgreementUse.objects.filter(agreement=row, payment_no__in=numbers)
    under = set(uses.values_list("payment_no", flat=True))
    under |= {
        move.object_no
        for move in engine.list_moves(object_nos=numbers)
        if move.cause == row.agreement_no
    }
    return [
        OwnMovement(one.at, one.event_type, one.event_id, one.change)
        for one in paid
        if one.event_id in under
    ]


def _list_balances(payer_no: str) -> tuple[OwnBalance, ...]:
    """Return the currencies that the wallet has something in; the first enabled one when it has nothing."""
    codes = {
        ledger.payer_balance(payer_no=payer_no, currency=currency): currency
        for currency in CURRENCY_EXPONENTS
    }
    views = ledger.list_balances(account_codes=list(codes))
    balances = [OwnBalance(codes[view.account_code], view.available, view.held) for view in views]
    return tuple(one for one in balances if one.available or one.held) or (balances[0],)


def _view(row: PayerAgreement, today: date) -> OwnAgreement:
    return OwnAgreement(
        agreement_no=row.agreement_no,
        merchant_name=acquiring.get_merchant_name(merchant_no=row.merchant_no),
        currency=row.currency,
        max_per_payment=row.max_per_payment,
        max_per_day=row.max_per_day,
        taken_today=row.spent_amount if row.spent_date and row.spent_date >= today else 0,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _today() -> date:
    return database_now().astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)).date()


def _read_cursor(text: str) -> ledger.MovementKey:
    xact_id, _dot, rest = text.partition(".")
    journal_no, _dot, line_no = rest.partition(".")
    is_good = (
        text.isascii()
        and xact_id.isdigit()
        and len(xact_id) < 20
        and line_no.isdigit()
        and len(line_no) < 5
        and is_number(journal_no, JOURNAL)
    )
    if not is_good:
        raise build_fault("cursor", "a link of this page")
    return ledger.MovementKey(xact_id, journal_no, int(line_no))
