"""The four lines of every move of batches, payouts and holds in one place: transition, save, append the event row."""

from __future__ import annotations

from typing import Any

from acquiring.models import Payout, SettlementBatch, SettlementHold, Transition
from acquiring.states import PAYOUT, SETTLEMENT_BATCH, SETTLEMENT_HOLD
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.statemachine import Machine

_MACHINES: dict[type, tuple[Machine, list[str]]] = {
    SettlementBatch: (SETTLEMENT_BATCH, ["status", "closed_at"]),
    Payout: (PAYOUT, ["status", "bank_reference", "failure_code", "sent_at", "ended_at"]),
    SettlementHold: (SETTLEMENT_HOLD, ["status", "lifted_by", "lifted_reason", "lifted_at"]),
}


@transactions.require
def apply_settlement_move(row: Any, transition_name: str, *, cause: str, **facts: Any) -> None:
    """Run one named transition of a locked row, save it and append its event row (require).

    Raises django_fsm.TransitionNotAllowed, with nothing saved, when the machine has no such move.
    """
    machine, fields = _MACHINES[type(row)]
    before = row.status
    getattr(row, transition_name)(**facts)
    row.save(update_fields=fields)
    _record(machine, row, source=before, cause=cause)


@transactions.require
def record_birth(row: Any, *, cause: str) -> None:
    """Append the event row of a row that was just made (require)."""
    machine, _ = _MACHINES[type(row)]
    _record(machine, row, source="", cause=cause)


def _record(machine: Machine, row: Any, *, source: str, cause: str) -> None:
    Transition.objects.create(
        machine=machine.name,
        object_no=row.pk,
        from_status=source,
        to_status=row.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )
