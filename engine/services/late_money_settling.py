"""What becomes of late money: refunded when its policy is due, or as its merchant or two operators decide.

Every decision is taken under the lock of the order, so of a decision and a deadline one comes first and the other
finds it done.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import connection

from engine.contracts import (
    Cause,
    HeldDecision,
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyNotOpen,
    LateMoneyState,
)
from engine.late_money import (
    LateMoneyNotHeld,
    LateMoneyNotPulledBack,
    LateMoneyNotRefundable,
    LateMoneyOrderPaying,
    LateMoneyPulledBack,
    name_pulled_back,
)
from engine.models import ChannelAttempt, LateMoney, PaymentOrder, Refund
from engine.ports import OwnerState, payment_owner
from engine.selectors import (
    describe_late_money,
    get_late_money,
    lock_attempt,
    lock_late_money,
)
from engine.services.cases import open_case, reopen_case
from engine.services.late_money import (
    CASE_KIND,
    SETTLE_TASK,
    announce_end,
    can_give_back,
    leave_to_people,
)
from engine.services.moves import apply_move
from engine.services.pulled_back import (
    find_part_at_our_loss,
    find_pulled_back,
    is_second_charge,
)
from engine.services.refunds import open_late_money_refund
from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.kernel import metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.transactions import after_commit

RETRY_S = 30
"""A due row is passed over this long by other sweeps: whoever took it may have died."""

BY_POLICY = "policy"
"""Who has decided when the deadline did."""

_log = structlog.get_logger(__name__)

_CLAIM_DUE = """
    UPDATE engine_late_money SET due_at = platform_now() + make_interval(secs => %s)
    WHERE late_money_no IN (
        SELECT late_money_no FROM engine_late_money
        WHERE due_at <= platform_now() ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING late_money_no
"""

_LEADS_TO = {
    LateMoneyDecision.REFUND: frozenset({"REFUNDING", "REFUNDED"}),
    LateMoneyDecision.HONOUR: frozenset({"HONOURED"}),
}


@dataclass(slots=True)
class _Locked:
    late: LateMoney
    charge: ChannelAttempt
    owner: OwnerState


@transactions.forbid
def settle_due_late_money(*, batch_size: int | None = None) -> int:
    """Write the refunds of one batch of due late money and return how many rows were taken up (forbid).

    Each row goes in a transaction of its own; the refunds' janitor, rung after it, sends what was written. Safe to
    run twice and at once.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_DUE, [RETRY_S, batch_size or settings.SWEEP_BATCH])
        due = [late_money_no for (late_money_no,) in cursor.fetchall()]
    if due:
        failpoint("late_money_claimed")
    for late_money_no in due:
        try:
            _send_back_when_due(late_money_no=late_money_no)
        except Exception:  # noqa: BLE001 - one bad row must not stop the sweep; it is due again soon
            _log.exception("late_money_not_settled", late_money_no=late_money_no)
    metrics.SWEPT_ROWS.labels(SETTLE_TASK).inc(len(due))
    return len(due)


@transactions.start
def _send_back_when_due(*, late_money_no: str) -> None:
    """Write the refund ahead, unless somebody has decided since the row was claimed (start).

    What its channel has pulled back since, or a channel that cannot give money back any more, leaves it to people.
    """
    rows = _lock(late_money_no)
    after_commit(lambda: failpoint("late_money_settled", rows.late.order_no))
    if rows.late.status != "OPEN" or rows.late.due_at is None:
        return
    pulled_back = find_pulled_back(rows.late, rows.charge)
    if pulled_back is not None:
        leave_to_people(rows.late, why=f"its channel has pulled it back: {pulled_back}")
    elif can_give_back(rows.late.channel_code):
        _send_back(rows, decided_by=BY_POLICY, cause=Cause.POLICY)
    else:
        leave_to_people(rows.late, why=f"{rows.late.channel_code} cannot give it back any more")


@transactions.start
def decide_late_money(
    *, late_money_no: str, merchant_no: str, decision: LateMoneyDecision, cause: Cause
) -> LateMoneyState:
    """Do what the merchant answers to ``late_money.pending`` and tell how it stands (start).

    The same decision again changes nothing; of an order nobody keeps a second charge. Raises NotFound
    (also for another merchant's), LateMoneyNotAsked, LateMoneyOrderPaying, LateMoneyPulledBack, and LateMoneyNotOpen,
    which is what a merchant gets who answers after the deadline has settled it.
    """
    rows = _lock(late_money_no, merchant_no=merchant_no)
    late, decided_by = rows.late, f"merchant:{merchant_no}"
    if late.decided_by == decided_by and late.status in _LEADS_TO[decision]:
        return describe_late_money(late)
    if late.policy != LateMoney.Policy.ASK:
        raise LateMoneyNotAsked(f"The policy of {late_money_no} is {late.policy}.")
    if late.status != "OPEN":
        raise LateMoneyNotOpen(f"{late_money_no} is {late.status}.")
    if decision == LateMoneyDecision.HONOUR:
        _refuse_second_charge(rows)
        _refuse_paying(rows)
    _refuse_pulled_back(rows)
    _carry_out(rows, HeldDecision(decision), decided_by=decided_by, cause=cause)
    return describe_late_money(late)


@transactions.require
def preview_held_late_money(*, late_money_no: str, decision: HeldDecision) -> JournalDraft:
    """Return the journal that this decision of operators would post now, having locked what it reads (require).

    Only what waits for people: held, or its refund was refused. Raises NotFound, LateMoneyNotHeld,
    LateMoneyPulledBack, LateMoneyNotPulledBack, LateMoneyNotRefundable and LateMoneyOrderPaying.
    """
    rows = _lock(late_money_no)
    _check_held(rows, decision)
    if decision == HeldDecision.HONOUR:
        return _draft_honour(rows.late)
    if decision == HeldDecision.PULLED_BACK:
        return _draft_pulled_back(rows.late, find_part_at_our_loss(rows.late))
    return ledger.build_late_money_refund_sent(
        refund_no=_next_refund_no(rows.late),
        channel_code=rows.late.channel_code,
        currency=rows.late.currency,
        amount=rows.late.left,
    )


@transactions.require
def decide_held_late_money(*, late_money_no: str, decision: HeldDecision, decided_by: str) -> str:
    """Do what two operators have agreed on; returns the journal's or the refund's number (require).

    Raises as the preview does; then nothing was written.
    """
    rows = _lock(late_money_no)
    _check_held(rows, decision)
    return _carry_out(rows, decision, decided_by=decided_by, cause=Cause.OPERATOR)


def _lock(late_money_no: str, *, merchant_no: str | None = None) -> _Locked:
    """Lock order, attempt and late money, in this order."""
    seen = get_late_money(late_money_no=late_money_no)
    if merchant_no is not None and seen.merchant_no != merchant_no:
        raise NotFound
    owner = payment_owner().lock_owner(order_no=seen.order_no)
    charge = lock_attempt(attempt_no=seen.attempt_no)
    return _Locked(lock_late_money(late_money_no=late_money_no), charge, owner)


def _check_held(rows: _Locked, decision: HeldDecision) -> None:
    late = rows.late
    if late.status != "OPEN":
        raise LateMoneyNotOpen(f"{late.late_money_no} is {late.status}.")
    if late.due_at is not None:
        raise LateMoneyNotHeld(f"{late.late_money_no} is settled by its policy {late.policy}.")
    if decision == HeldDecision.HONOUR:
        _refuse_paying(rows)
    if decision == HeldDecision.PULLED_BACK:
        if not find_part_at_our_loss(late):
            raise LateMoneyNotPulledBack(
                f"First two people write off the chargeback of {late.late_money_no}."
            )
    elif not is_second_charge(late, rows.charge):
        _refuse_pulled_back(rows)
    if decision == HeldDecision.REFUND and not can_give_back(late.channel_code):
        raise LateMoneyNotRefundable(f"{late.channel_code} cannot give money back.")


def _refuse_second_charge(rows: _Locked) -> None:
    """A merchant keeps one charge of an order by himself; what more its payer means to give, two people decide."""
    if rows.owner.is_paid:
        raise LateMoneyNotAsked("The order is paid: its payer gets back what he has paid twice.")
    kept = LateMoney.objects.filter(order_no=rows.late.order_no, status="HONOURED").first()
    if kept is not None:
        raise LateMoneyNotAsked(f"Another charge of this order is kept already: {kept.pk}.")


def _refuse_paying(rows: _Locked) -> None:
    """What another payment of the order takes now would be the second charge that the merchant keeps."""
    if rows.owner.is_paying:
        raise LateMoneyOrderPaying(f"A payment of {rows.late.order_no} is under way.")


def _refuse_pulled_back(rows: _Locked) -> None:
    """Its payer has it already: neither he nor the merchant gets it a second time."""
    pulled_back = find_pulled_back(rows.late, rows.charge)
    if pulled_back is not None:
        raise LateMoneyPulledBack(
            f"The channel has pulled {rows.late.late_money_no} back: {pulled_back}."
        )


def _carry_out(rows: _Locked, decision: HeldDecision, *, decided_by: str, cause: Cause) -> str:
    if decision == HeldDecision.HONOUR:
        return _honour(rows.late, decided_by=decided_by, cause=cause)
    if decision == HeldDecision.PULLED_BACK:
        return _end_pulled_back(rows.late, decided_by=decided_by, cause=cause)
    return _send_back(rows, decided_by=decided_by, cause=cause)


def _send_back(rows: _Locked, *, decided_by: str, cause: Cause) -> str:
    """OPEN → REFUNDING with its refund; whoever is rung, or comes by the clock, sends it."""
    apply_move(rows.late, "start_refunding", cause=cause, decided_by=decided_by)
    refund = open_late_money_refund(
        late_money=rows.late,
        charge=rows.charge,
        cause=cause,
        refund_no=_next_refund_no(rows.late),
    )
    return str(refund.refund_no)


def _next_refund_no(late: LateMoney) -> str:
    """Return the number of its next refund; after one that was refused comes another number."""
    refunds = Refund.objects.filter(order_no=late.order_no, late_money_no=late.late_money_no)
    tried = refunds.count()
    return numbers.derive_number(numbers.REFUND, parent=late.late_money_no, count=tried + 1)


def _honour(late: LateMoney, *, decided_by: str, cause: Cause) -> str:
    """OPEN → HONOURED: the merchant's after all, less the fee; the order stays as it ended, or is closed now."""
    payment_owner().close_for_kept_money(order_no=late.order_no, cause=cause)
    journal_no = ledger.post_journal(draft=_draft_honour(late))
    apply_move(
        late, "mark_honoured", cause=cause, decided_by=decided_by, resolved_at=database_now()
    )
    announce_end(late, cause=cause)
    return journal_no


def _end_pulled_back(late: LateMoney, *, decided_by: str, cause: Cause) -> str:
    """Suspense makes good so much of the loss; nothing is sent, for its payer has that part by the chargeback.

    All of it: OPEN → REFUNDED. A part: the rest stays OPEN, and people decide about it.
    """
    part = find_part_at_our_loss(late)
    journal_no = ledger.post_journal(draft=_draft_pulled_back(late, part))
    late.pulled_back_amount += part
    late.save(update_fields=["pulled_back_amount"])
    if late.left:
        said = f"{part} of it made good what was pulled back; {late.left} {late.currency} are left"
        case_no = open_case(kind=CASE_KIND, object_no=late.late_money_no, detail=said)
        reopen_case(case_no=case_no)
        return journal_no
    apply_move(
        late, "mark_pulled_back", cause=cause, decided_by=decided_by, resolved_at=database_now()
    )
    announce_end(late, cause=cause)
    return journal_no


def _draft_pulled_back(late: LateMoney, part: int) -> JournalDraft:
    return ledger.build_late_money_pulled_back(
        reference=name_pulled_back(late.late_money_no, before=late.pulled_back_amount),
        channel_code=late.channel_code,
        currency=late.currency,
        amount=part,
    )


def _draft_honour(late: LateMoney) -> JournalDraft:
    payment = PaymentOrder.objects.only("method").get(pk=late.payment_no)
    return ledger.build_late_money_honoured(
        late_money_no=late.late_money_no,
        channel_code=late.channel_code,
        merchant_no=late.merchant_no,
        currency=late.currency,
        amount=late.left,
        fee=payment_owner().late_money_fee(
            order_no=late.order_no,
            amount=late.left,
            currency=late.currency,
            method=payment.method,
        ),
    )
