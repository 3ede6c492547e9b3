"""Whether an agreement lets a merchant take a whole order from its payer's balance now: advice, not a promise."""

from __future__ import annotations

from acquiring.contracts import OrderView
from checkout.models import PayerAgreement
from checkout.services.spending import get_room_today, release_failed_spending
from checkout.services.wallets import hash_token
from ledger import api as ledger
from paymentplatform.kernel import transactions


@transactions.forbid
def find_balance_refusal(*, order: OrderView, merchant_no: str, payer_token: str) -> str | None:
    """Return why BALANCE cannot pay the whole order with this token, or None (forbid: may give room back).

    ``payer_token_invalid``: unknown, revoked, another merchant's or in another currency; ``over_limit``: more than the
    agreement allows per payment or still today; ``insufficient_balance``. How much there is, is never said.
    """
    agreement = PayerAgreement.objects.filter(
        token_hash=hash_token(payer_token),
        merchant_no=merchant_no,
        currency=order.currency,
        revoked_at__isnull=True,
    ).first()
    if agreement is None:
        return "payer_token_invalid"
    if order.amount > agreement.max_per_payment or not _has_room(agreement, order.amount):
        return "over_limit"
    code = ledger.payer_balance(payer_no=agreement.payer_id, currency=order.currency)
    if ledger.get_balance(account_code=code).available < order.amount:
        return "insufficient_balance"
    return None


def _has_room(agreement: PayerAgreement, amount: int) -> bool:
    number = agreement.agreement_no
    if get_room_today(agreement_no=number) >= amount:
        return True
    released = release_failed_spending(agreement_no=number)
    return released and get_room_today(agreement_no=number) >= amount
