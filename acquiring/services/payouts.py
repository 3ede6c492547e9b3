"""Payouts 出款: made of what is available, approved by a second person, ended by what the bank says.

No bank is connected yet: an operator gives the order to the bank and records what became of it. The console makes a
proposal of each act, so that two persons agree.
"""

from __future__ import annotations

from dataclasses import fields

from acquiring.models import Payout, SettlementAccount, SettlementHold
from acquiring.services.settlement_moves import apply_settlement_move, record_birth
from acquiring.settlement_contracts import (
    InsufficientAvailable,
    MerchantOnHold,
    PayoutNotOpen,
    PayoutStatus,
    PayoutView,
)
from ledger import api as ledger
from ledger.contracts import InsufficientBalance, JournalDraft
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound

MAX_TEXT = 128


@transactions.require
def plan_payout(*, account: SettlementAccount) -> PayoutView | None:
    """Make the payout of all that is available; None when there is nothing, a hold, or one on its way (require).

    The account is locked. One that waits for a proposal over another amount is cancelled first; one that is proposed
    stays. A balance below zero is netted by the next releases: until then nothing is paid out.
    """
    if is_merchant_held(merchant_no=account.merchant_no):
        return None
    waiting = (
        Payout.objects.select_for_update()
        .filter(
            merchant_no=account.merchant_no,
            currency=account.currency,
            sent_at__isnull=True,
            ended_at__isnull=True,
        )
        .first()
    )
    code = ledger.merchant_available(merchant_no=account.merchant_no, currency=account.currency)
    available = ledger.get_balance(account_code=code).balance
    if waiting is not None:
        if waiting.status == PayoutStatus.PROPOSED or waiting.amount == available:
            return None
        apply_settlement_move(waiting, "cancel", cause="settlement", ended_at=database_now())
    if available <= 0:
        return None
    payout = Payout.objects.create(
        payout_no=numbers.new_number(numbers.PAYOUT),
        merchant_no=account.merchant_no,
        currency=account.currency,
        amount=available,
    )
    record_birth(payout, cause="settlement")
    return view_payout(payout)


def get_payout(*, payout_no: str) -> PayoutView:
    """Return one payout. Raises NotFound."""
    payout = Payout.objects.filter(payout_no=payout_no).first()
    if payout is None:
        raise NotFound(f"There is no payout {payout_no}.")
    return view_payout(payout)


@transactions.require
def preview_payout_sending(*, payout_no: str) -> JournalDraft:
    """Return the journal that approval will post; the payout and its account are locked (require).

    Raises NotFound, PayoutNotOpen, MerchantOnHold and InsufficientAvailable: nothing was written.
    """
    payout = lock_payout(payout_no)
    _require_state(payout, PayoutStatus.CREATED, PayoutStatus.PROPOSED)
    if is_merchant_held(merchant_no=payout.merchant_no):
        raise MerchantOnHold
    code = ledger.merchant_available(merchant_no=payout.merchant_no, currency=payout.currency)
    if ledger.get_balance(account_code=code).balance < payout.amount:
        raise InsufficientAvailable
    return _draft_sent(payout)


@transactions.require
def propose_payout(*, payout_no: str) -> None:
    """CREATED → PROPOSED: a proposal of it waits for a second person (require). Raises NotFound, PayoutNotOpen."""
    payout = lock_payout(payout_no)
    _require_state(payout, PayoutStatus.CREATED)
    apply_settlement_move(payout, "propose", cause="operator")


@transactions.require
def drop_payout_proposal(*, payout_no: str) -> None:
    """PROPOSED → CREATED: its proposal came to nothing (require). Another state stays: it was sent meanwhile."""
    payout = lock_payout(payout_no)
    if payout.status == PayoutStatus.PROPOSED:
        apply_settlement_move(payout, "drop_proposal", cause="operator")


@transactions.require
def send_payout(*, payout_no: str) -> str:
    """PROPOSED → SENT: the money is in flight, L21 → L22; returns the journal's number (require).

    Raises as ``preview_payout_sending`` does; then the payout is as it was.
    """
    draft = preview_payout_sending(payout_no=payout_no)
    payout = lock_payout(payout_no)
    _require_state(payout, PayoutStatus.PROPOSED)
    try:
        journal_no = ledger.post_journal(draft=draft)
    except InsufficientBalance as error:
        raise InsufficientAvailable from error
    apply_settlement_move(payout, "send", cause="operator", sent_at=database_now())
    return journal_no


@transactions.require
def preview_payout_result(
    *, payout_no: str, bank_reference: str, failure_code: str
) -> JournalDraft:
    """Return the journal of a result: paid (with the bank's reference) or failed (with a reason) (require).

    Raises NotFound, PayoutNotOpen for one that is not SENT, InvalidRequest unless exactly one of the two is given.
    """
    if bool(bank_reference) == bool(failure_code):
        raise InvalidRequest("A result is a bank reference (paid) or a failure code (not paid).")
    text = bank_reference or failure_code
    if len(text) > MAX_TEXT or not text.isprintable():
        raise InvalidRequest(f"A reference or code has 1 to {MAX_TEXT} printable characters.")
    payout = lock_payout(payout_no)
    _require_state(payout, PayoutStatus.SENT)
    if bank_reference and Payout.objects.filter(bank_reference=bank_reference).exists():
        raise InvalidRequest(f"{bank_reference} is the bank's reference of another payout.")
    return _draft_result(payout, paid=bool(bank_reference))


@transactions.require
def end_payout(*, payout_no: str, bank_reference: str, failure_code: str) -> str:
    """SENT → PAID, L22 → A20, or SENT → FAILED, L22 → L21; returns the journal's number (require).

    A failed payout's money is available again: the next run of settlement makes a new payout of it. Only a definite
    answer of the bank may be recorded as failed. Raises as ``preview_payout_result`` does.
    """
    draft = preview_payout_result(
        payout_no=payout_no, bank_reference=bank_reference, failure_code=failure_code
    )
    payout = lock_payout(payout_no)
    journal_no = ledger.post_journal(draft=draft)
    now = database_now()
    if bank_reference:
        apply_settlement_move(
            payout, "confirm", cause="operator", bank_reference=bank_reference, ended_at=now
        )
    else:
        apply_settlement_move(
            payout, "fail", cause="operator", failure_code=failure_code, ended_at=now
        )
    return journal_no


def view_payout(payout: Payout) -> PayoutView:
    """Copy a row into what may leave this app."""
    values = {one.name: getattr(payout, one.name) for one in fields(PayoutView)}
    return PayoutView(**values | {"status": PayoutStatus(payout.status)})


def is_merchant_held(*, merchant_no: str) -> bool:
    """Tell whether a risk hold keeps all of a merchant's money."""
    return SettlementHold.objects.filter(
        merchant_no=merchant_no, order_no__isnull=True, status="ACTIVE"
    ).exists()


def lock_payout(payout_no: str) -> Payout:
    """Lock the payout's settlement account, then itself. Raises NotFound."""
    seen = Payout.objects.filter(payout_no=payout_no).first()
    if seen is None:
        raise NotFound(f"There is no payout {payout_no}.")
    SettlementAccount.objects.select_for_update().get(
        merchant_no=seen.merchant_no, currency=seen.currency
    )
    return Payout.objects.select_for_update().get(payout_no=payout_no)


def _require_state(payout: Payout, *states: PayoutStatus) -> None:
    if payout.status not in states:
        raise PayoutNotOpen(f"{payout.payout_no} is {payout.status}.")


def _draft_sent(payout: Payout) -> JournalDraft:
    return ledger.build_payout_sent(
        payout_no=payout.payout_no,
        merchant_no=payout.merchant_no,
        currency=payout.currency,
        amount=payout.amount,
    )


def _draft_result(payout: Payout, *, paid: bool) -> JournalDraft:
    build = ledger.build_payout_confirmed if paid else ledger.build_payout_failed
    return build(
        payout_no=payout.payout_no,
        merchant_no=payout.merchant_no,
        currency=payout.currency,
        amount=payout.amount,
    )
