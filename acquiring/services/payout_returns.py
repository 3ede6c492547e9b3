"""Returned payouts 出款退回: the bank had paid, and days later the money is back in our account: A20 → L21, once.

The payout stays PAID; its return is a row beside it, of the same amount. Row, journal and the proposal's end are one
transaction under the lock of the settlement account, so whoever dies before it commits has changed nothing, and the two
people approve again. The next run of settlement makes a payout of what is available then.
"""

from __future__ import annotations

from acquiring.models import Payout, PayoutReturn
from acquiring.services.payouts import MAX_TEXT, lock_payout
from acquiring.settlement_contracts import PayoutNotOpen, PayoutStatus
from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest


@transactions.require
def preview_payout_return(*, payout_no: str, bank_reference: str, return_code: str) -> JournalDraft:
    """Return the journal of a return; the payout and its account are locked (require).

    Raises NotFound, PayoutNotOpen for one that the bank has not paid or has given back before, InvalidRequest for a
    reference of another payout or return, or one that cannot be.
    """
    for text in (bank_reference, return_code):
        if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise InvalidRequest(
                f"A reference and a code have 1 to {MAX_TEXT} printable characters."
            )
    payout = lock_payout(payout_no)
    if payout.status != PayoutStatus.PAID:
        raise PayoutNotOpen(f"{payout_no} is {payout.status}.")
    known = find_payout_return(payout_no=payout_no)
    if known is not None:
        raise PayoutNotOpen(f"{payout_no} was returned as {known.bank_reference}.")
    others = Payout.objects.filter(bank_reference=bank_reference).exclude(pk=payout_no)
    if others.exists() or PayoutReturn.objects.filter(bank_reference=bank_reference).exists():
        raise InvalidRequest(f"{bank_reference} is the bank's reference of another payout.")
    return ledger.build_payout_returned(
        payout_no=payout.payout_no,
        merchant_no=payout.merchant_no,
        currency=payout.currency,
        amount=payout.amount,
    )


@transactions.require
def record_payout_return(
    *, payout_no: str, bank_reference: str, return_code: str, decided_by: str
) -> str:
    """Write a return down and book it, A20 → L21; returns the journal's number (require).

    Raises as ``preview_payout_return`` does; then nothing was written.
    """
    draft = preview_payout_return(
        payout_no=payout_no, bank_reference=bank_reference, return_code=return_code
    )
    PayoutReturn.objects.create(
        payout_no=payout_no,
        bank_reference=bank_reference,
        return_code=return_code,
        decided_by=decided_by,
    )
    return ledger.post_journal(draft=draft)


def find_payout_return(*, payout_no: str) -> PayoutReturn | None:
    """Return what the bank gave back of a payout, if it did."""
    return PayoutReturn.objects.filter(pk=payout_no).first()
