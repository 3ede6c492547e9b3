"""Late money 迟到资金: a verified success that no trade can use. It is booked to suspense, never dropped.

The merchant's policy says what becomes of it; ``late_money_settling`` does that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.channels.base import Capability, ChannelAnswer
from engine.channels.registry import find_channel
from engine.contracts import Cause, LateMoneyReason
from engine.models import ChannelAttempt, LateMoney, Refund, Transition
from engine.ports import OwnerState, payment_owner
from engine.selectors import describe_late_money, lock_late_money
from engine.services.cases import AMOUNT_MISMATCH, open_case, reopen_case, resolve_cases
from engine.services.moves import apply_move
from engine.states import LATE_MONEY
from ledger import api as ledger
from paymentplatform.kernel import context, jobs, numbers, transactions
from paymentplatform.kernel.clock import database_now

SETTLE_TASK = "engine.settle_due_late_money"
CASE_KIND = "late_money"


@transactions.require
def record_late_money(
    *,
    attempt: ChannelAttempt,
    owner: OwnerState,
    answer: ChannelAnswer,
    reason: LateMoneyReason,
    cause: Cause,
) -> bool:
    """Keep money that came too late, once per (channel, channel_trade_no), and post A10 → L90 (require).

    Returns False when it was recorded before. The trade's own terminal state is not touched. The merchant's policy
    of this moment decides: REFUND is due at once, ASK tells the merchant and is due when the time to answer is over,
    HOLD opens a case, as does another amount than was asked for.
    """
    trade_no, amount, currency = answer.channel_trade_no, answer.amount, answer.currency
    if trade_no is None or amount is None or currency is None:
        message = "late money is only what an institution has said in figures"
        raise ValueError(message)
    now = database_now()
    policy, due_at = _plan(attempt.channel_code, owner, now)
    late, created = LateMoney.objects.get_or_create(
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
            "reason": reason,
            "policy": policy,
            "respond_by": due_at if policy == LateMoney.Policy.ASK else None,
            "due_at": due_at,
            "created_at": now,
        },
    )
    if created:
        _book(late, cause)
        _tell(late, differs=(amount, currency) != (attempt.amount, attempt.currency))
    return created


@transactions.require
def end_late_money_refund(*, refund: Refund, succeeded: bool, cause: Cause) -> None:
    """The refund of late money has ended: it is REFUNDED, or OPEN again for people to decide (require).

    Owner and refund are locked; the refund's own journal is posted by the caller.
    """
    late = lock_late_money(late_money_no=str(refund.late_money_no))
    if succeeded:
        apply_move(late, "mark_refunded", cause=cause, resolved_at=database_now())
        announce_end(late, cause=cause)
        return
    apply_move(late, "reopen", cause=cause)
    case_no = open_case(
        kind=CASE_KIND,
        object_no=late.late_money_no,
        detail=f"its refund {refund.refund_no} failed: {refund.failure_code}",
    )
    reopen_case(case_no=case_no)


@transactions.require
def announce_end(late: LateMoney, *, cause: Cause) -> None:
    """Tell the merchant what became of it and close what waited for it (require)."""
    resolve_cases(object_no=late.late_money_no, kinds=(CASE_KIND,), cause=cause)
    resolve_cases(object_no=late.attempt_no, kinds=(AMOUNT_MISMATCH,), cause=cause)
    payment_owner().late_money_resolved(late_money=describe_late_money(late))


@transactions.require
def leave_to_people(late: LateMoney, *, why: str) -> None:
    """Nothing is due any more: two operators decide about locked, open late money (require)."""
    late.due_at = None
    late.save(update_fields=["due_at"])
    open_case(kind=CASE_KIND, object_no=late.late_money_no, detail=why)


def can_give_back(channel_code: str) -> bool:
    """Whether this channel can return what it took."""
    channel = find_channel(channel_code)
    return channel is not None and Capability.REFUND in channel.capabilities


def _plan(channel_code: str, owner: OwnerState, now: datetime) -> tuple[str, datetime | None]:
    """Return the policy that applies and when it is due; a channel that cannot give back leaves only people."""
    if not can_give_back(channel_code):
        return LateMoney.Policy.HOLD, None
    if owner.late_money_policy == LateMoney.Policy.ASK:
        return LateMoney.Policy.ASK, now + timedelta(minutes=owner.late_money_ask_minutes)
    if owner.late_money_policy == LateMoney.Policy.REFUND:
        return LateMoney.Policy.REFUND, now
    return LateMoney.Policy.HOLD, None


def _book(late: LateMoney, cause: Cause) -> None:
    Transition.objects.create(
        machine=LATE_MONEY.name,
        object_no=late.late_money_no,
        from_status="",
        to_status=late.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )
    ledger.post_journal(
        draft=ledger.build_late_money_received(
            late_money_no=late.late_money_no,
            channel_code=late.channel_code,
            currency=late.currency,
            amount=late.amount,
        )
    )


def _tell(late: LateMoney, *, differs: bool) -> None:
    """Whoever has to decide is told; what decides itself is rung for."""
    if late.policy == LateMoney.Policy.HOLD or differs:
        open_case(kind=CASE_KIND, object_no=late.late_money_no, detail=late.reason)
    if late.policy == LateMoney.Policy.ASK:
        payment_owner().late_money_pending(late_money=describe_late_money(late))
    if late.policy == LateMoney.Policy.REFUND:
        jobs.ring(SETTLE_TASK)
