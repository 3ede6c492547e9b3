"""Late money 迟到资金: a verified success that no trade can use. It is booked to suspense, never dropped."""

from __future__ import annotations

from engine.channels.base import ChannelAnswer
from engine.contracts import Cause
from engine.models import Case, ChannelAttempt, LateMoney
from engine.ports import OwnerState
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions


@transactions.require
def record_late_money(
    *, attempt: ChannelAttempt, owner: OwnerState, answer: ChannelAnswer, reason: str, cause: Cause
) -> bool:
    """Keep money that came too late, once per (channel, channel_trade_no), and post A10 → L90 (require).

    Returns False when it was recorded before. The trade's own terminal state is not touched.
    """
    trade_no, amount, currency = answer.channel_trade_no, answer.amount, answer.currency
    if trade_no is None or amount is None or currency is None:
        message = "late money is only what an institution has said in figures"
        raise ValueError(message)
    row, created = LateMoney.objects.get_or_create(
        channel_code=attempt.channel_code,
        channel_trade_no=trade_no,
        defaults={
            "late_money_no": numbers.new_number(numbers.LATE_MONEY),
            "attempt_no": attempt.attempt_no,
            "payment_no": attempt.payment_no,
            "order_no": attempt.order_no,
            "merchant_no": owner.merchant_no,
            "amount": amount,
            "currency": currency,
            "reason": f"{reason} ({cause})",
            "policy": owner.late_money_policy,
        },
    )
    if created:
        ledger.post_journal(
            draft=ledger.build_late_money_received(
                late_money_no=row.late_money_no,
                channel_code=attempt.channel_code,
                currency=currency,
                amount=amount,
            )
        )
        open_case(kind="late_money", object_no=row.late_money_no, detail=reason)
    return created


@transactions.require
def open_case(*, kind: str, object_no: str, detail: str) -> None:
    """Ask people to look at something; at most one unresolved case per kind and object (require)."""
    Case.objects.get_or_create(
        kind=kind,
        object_no=object_no,
        resolved_at=None,
        defaults={"case_no": numbers.new_number(numbers.CASE), "detail": detail},
    )
