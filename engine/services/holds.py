"""The internal legs of a payment: held before the channel is asked, then captured or given back with its end."""

from __future__ import annotations

from collections.abc import Sequence

from engine.contracts import Cause
from engine.exchange import ExchangePlan
from engine.models import PaymentDetail, PaymentOrder
from engine.services.moves import apply_move
from ledger import api as ledger
from ledger.contracts import InsufficientBalance
from paymentplatform.kernel import numbers, transactions

BALANCE = "BALANCE"
"""The method of an internal detail."""


@transactions.require
def create_internal_details(*, payment: PaymentOrder, plan: ExchangePlan) -> list[PaymentDetail]:
    """Insert one detail for each internal leg, naming the hold that it will have (require)."""
    return [
        PaymentDetail.objects.create(
            detail_no=numbers.new_number(numbers.DETAIL),
            payment=payment,
            method=BALANCE,
            amount=leg.amount,
            currency=payment.currency,
            hold_no=numbers.new_number(numbers.HOLD),
        )
        for leg in plan.internal
    ]


@transactions.require
def place_holds(*, payment: PaymentOrder, details: Sequence[PaymentDetail], cause: Cause) -> bool:
    """Set the payer's money aside for every internal detail (require). False at the first that lacks money.

    What was held before that one stays held: end the details, or roll back.
    """
    for detail in details:
        try:
            ledger.place_hold(
                hold_no=str(detail.hold_no),
                account_code=_account_of(payment),
                amount=detail.amount,
                reference=payment.payment_no,
            )
        except InsufficientBalance:
            return False
        apply_move(detail, "mark_held", cause=cause)
    return True


@transactions.require
def end_untaken_details(*, details: Sequence[PaymentDetail], cause: Cause) -> None:
    """Compensate: give every hold back to its payer and fail what was never taken (require)."""
    for detail in details:
        if detail.status == "HELD":
            ledger.release_hold(hold_no=str(detail.hold_no))
            apply_move(detail, "mark_released", cause=cause)
        else:
            apply_move(detail, "mark_failed", cause=cause)


def build_legs(
    *, payment: PaymentOrder, details: Sequence[PaymentDetail]
) -> tuple[ledger.BalanceLeg | ledger.ChannelLeg, ...]:
    """Say to the ledger where each detail's money comes from; a held one is captured by the posting."""
    return tuple(
        ledger.ChannelLeg(detail.channel_code, detail.amount)
        if detail.channel_code is not None
        else ledger.BalanceLeg(str(payment.payer_no), detail.amount, detail.hold_no)
        for detail in details
    )


def _account_of(payment: PaymentOrder) -> str:
    return ledger.payer_balance(payer_no=str(payment.payer_no), currency=payment.currency)
