"""Combined payment 组合支付: part from the payer's balance, the rest through a channel, in one payment.

The balance part is held when the payment is accepted, in the same transaction as everything else, and captured or
given back in the transaction that ends the payment.
"""

from __future__ import annotations

from acquiring import api as acquiring
from acquiring.contracts import PayerTokenInvalid
from checkout.services.risk import Judgement, record_judgement
from checkout.services.routing import Route, record_route
from checkout.services.spending import (
    get_room_today,
    release_failed_spending,
    release_spending,
    reserve_spending,
)
from engine import api as engine
from ledger import api as ledger
from paymentplatform.kernel import transactions

_start_payment = transactions.join(acquiring.start_payment)


@transactions.forbid
def find_spendable(
    *,
    payer_no: str,
    currency: str,
    wanted: int,
    agreement_no: str | None = None,
    max_per_payment: int | None = None,
) -> int:
    """Return how much of ``wanted`` the balance may give now, in minor units, 0 when nothing (forbid).

    The least of: what is wanted, the payer's free balance and, under an agreement, its limit per payment and what
    is left of today's. A reading, not a promise: it is checked again under the locks.
    """
    code = ledger.payer_balance(payer_no=payer_no, currency=currency)
    spendable = min(wanted, ledger.get_balance(account_code=code).available)
    if max_per_payment is not None:
        spendable = min(spendable, max_per_payment)
    if agreement_no is None or spendable <= 0:
        return max(0, spendable)
    room = get_room_today(agreement_no=agreement_no)
    if room < spendable and release_failed_spending(agreement_no=agreement_no):
        room = get_room_today(agreement_no=agreement_no)
    return max(0, min(spendable, room))


@transactions.start
def accept_payment(
    *,
    new: engine.NewPayment,
    cause: str,
    agreement_no: str | None,
    judged: Judgement,
    route: Route,
) -> engine.PaymentStatus:
    """Count the balance part under the agreement, if there is one, then accept the payment: T2 (start).

    The risk decision that let it through and the route's are kept with it.

    Locks: agreement, order, payment, details, attempt, ledger. Returns PAYING; or FAILED when the payer has less than
    an exact plan takes. Raises PayerTokenInvalid when the agreement does not allow an exact plan, PlanOutdated when the
    assets of another plan have changed, and what ``acquiring.start_payment`` raises; then nothing was written.
    """
    record_judgement(judged, order_no=new.order_no, payment_no=new.payment_no)
    plan = new.plan
    if agreement_no is None or plan is None or plan.payer_no is None:
        return _start(new, cause, route)
    reserved = reserve_spending(
        payment_no=new.payment_no,
        agreement_no=agreement_no,
        payer_no=plan.payer_no,
        amount=plan.internal_amount,
    )
    if not reserved:
        if not plan.is_exact:
            raise engine.PlanOutdated
        detail = "The agreement has ended, or the amount is over what it still allows today."
        raise PayerTokenInvalid(detail)
    status = _start(new, cause, route)
    if status == engine.PaymentStatus.FAILED:
        release_spending(agreement_no=agreement_no, payment_no=new.payment_no)
    return status


def _start(new: engine.NewPayment, cause: str, route: Route) -> engine.PaymentStatus:
    status = _start_payment(new=new, cause=cause)
    record_route(route, new=new)
    return status
