"""Close a payment: a procedure, never an UPDATE. Only a definite answer of the channel ends it."""

from __future__ import annotations

from engine.contracts import Cause, PaymentProgress
from engine.ports import payment_owner
from engine.selectors import find_live_attempt, get_payment_progress, lock_payment
from engine.services.inquiries import query_attempt
from engine.services.submission import submit_attempt
from paymentplatform.kernel import transactions
from paymentplatform.kernel.failpoints import failpoint


@transactions.forbid
def close_payment(*, payment_no: str, cause: Cause) -> PaymentProgress:
    """Inquire, then close upstream, and tell how the payment stands afterwards (forbid).

    PAID: it was paid meanwhile. FAILED: certainly not charged. PAYING: the channel gave no certain answer; the
    payment stays ``closing`` and the janitor repeats the procedure. ``cause`` is who wants it closed.
    """
    if not _mark_closing(payment_no=payment_no):
        return get_payment_progress(payment_no=payment_no)
    attempt = find_live_attempt(payment_no=payment_no)
    if attempt is not None:
        failpoint("payment_marked_closing", attempt.order_no)
        if attempt.submit_claimed_at is None:
            submit_attempt(attempt_no=attempt.attempt_no)
        query_attempt(attempt_no=attempt.attempt_no, cause=cause)
    return get_payment_progress(payment_no=payment_no)


@transactions.start
def _mark_closing(*, payment_no: str) -> bool:
    """Note under the locks that no new attempt may start; False when the payment is no longer live."""
    order_no = get_payment_progress(payment_no=payment_no).order_no
    payment_owner().lock_owner(order_no=order_no)
    payment = lock_payment(payment_no=payment_no)
    if payment.live_order_no is None:
        return False
    if not payment.closing:
        payment.closing = True
        payment.save(update_fields=["closing"])
    return True
