"""The four lines of every move in one place: transition, save, append the event row."""

from __future__ import annotations

from typing import Any

from engine.contracts import Cause
from engine.models import (
    Case,
    ChannelAttempt,
    Discrepancy,
    LateMoney,
    PaymentDetail,
    PaymentOrder,
    Refund,
    Transition,
)
from engine.states import (
    CASE,
    CHANNEL_ATTEMPT,
    DISCREPANCY,
    LATE_MONEY,
    PAYMENT_DETAIL,
    PAYMENT_ORDER,
    REFUND,
)
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.statemachine import Machine

LAST_HEARD = [
    "last_outcome",
    "last_outcome_cause",
    "last_outcome_at",
    "last_answer",
    "submit_outcome",
]
"""What a channel said last about an attempt: saved with every move and with every answer that moves nothing."""

_MACHINES: dict[type, tuple[Machine, list[str]]] = {
    PaymentOrder: (
        PAYMENT_ORDER,
        ["status", "paid_at", "live_order_no", "closing", "failure_code"],
    ),
    PaymentDetail: (PAYMENT_DETAIL, ["status"]),
    ChannelAttempt: (
        CHANNEL_ATTEMPT,
        [
            "status",
            "channel_trade_no",
            "failure_code",
            "live_detail_no",
            "next_query_at",
            "lease_token",
            "leased_until",
            *LAST_HEARD,
        ],
    ),
    Refund: (
        REFUND,
        [
            "status",
            "succeeded_at",
            "failed_at",
            "failure_code",
            "next_try_at",
            "lease_token",
            "leased_until",
        ],
    ),
    LateMoney: (LATE_MONEY, ["status", "due_at", "decided_by", "resolved_at"]),
    Case: (CASE, ["status", "resolved_at"]),
    Discrepancy: (DISCREPANCY, ["status", "resolution", "resolved_by", "resolved_at"]),
}


@transactions.require
def apply_move(row: Any, transition_name: str, *, cause: Cause, **facts: Any) -> None:
    """Run one named transition of a locked row, save it and append its event row (require).

    Raises django_fsm.TransitionNotAllowed, with nothing saved, when the machine has no such move.
    """
    machine, fields = _MACHINES[type(row)]
    before = row.status
    getattr(row, transition_name)(**facts)
    row.save(update_fields=fields)
    Transition.objects.create(
        machine=machine.name,
        object_no=row.pk,
        from_status=before,
        to_status=row.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )
