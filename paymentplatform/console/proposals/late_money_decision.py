"""What becomes of late money that waits for people: back to its payer (L90 → L30), or the merchant's (L90 → L20).

Or, when its channel has pulled it back and the platform bore that, so much of it makes good the loss (L90 → X90); of
what is left people decide anew.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from engine import api as engine
from engine.contracts import HeldDecision
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.roles import Role

_LEADS_TO = {
    HeldDecision.REFUND: "REFUNDING",
    HeldDecision.HONOUR: "HONOURED",
    HeldDecision.PULLED_BACK: "REFUNDED",
}


def build_payload(*, late_money_no: str, decision: HeldDecision) -> dict[str, Any]:
    """Return the payload of a decision."""
    return {"late_money_no": late_money_no, "decision": decision.value}


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, and what ``engine.preview_held_late_money`` raises."""
    decision = _read_decision(payload)
    draft = engine.preview_held_late_money(
        late_money_no=payload["late_money_no"], decision=decision
    )
    late = engine.get_late_money_state(late_money_no=payload["late_money_no"])
    booked = sum(posting.amount for posting in draft.postings)
    is_part = (
        decision == HeldDecision.PULLED_BACK and booked < late.amount - late.pulled_back_amount
    )
    effects = {
        "late_money_no": payload["late_money_no"],
        "status": "OPEN" if is_part else _LEADS_TO[decision],
    }
    return Preview(preview_journal(draft), effects)


def _execute(payload: Payload, approval: Approval) -> str:
    return engine.decide_held_late_money(
        late_money_no=payload["late_money_no"],
        decision=_read_decision(payload),
        decided_by=f"proposal:{approval.proposal_no}",
    )


def _mark_case(payload: Payload) -> None:
    case_no = engine.find_case(kind="late_money", object_no=payload["late_money_no"])
    if case_no is not None:
        engine.propose_case(case_no=case_no)


def _free_case(payload: Payload) -> None:
    case_no = engine.find_case(kind="late_money", object_no=payload["late_money_no"])
    if case_no is not None:
        engine.reopen_case(case_no=case_no)


def _read_decision(payload: Payload) -> HeldDecision:
    try:
        return HeldDecision(payload["decision"])
    except ValueError:
        raise InvalidRequest("The decision is REFUND, HONOUR or PULLED_BACK.") from None


LATE_MONEY_DECISION = ProposalKind(
    name="late_money_decision",
    title=_("Late money decision"),
    subject_of=lambda payload: str(payload["late_money_no"]),
    reference_of=lambda payload: str(payload["late_money_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.SUPPORT, Role.OPERATOR, Role.ACCOUNTANT),
    approved_by=(Role.OPERATOR, Role.ACCOUNTANT),
    on_made=_mark_case,
    on_dropped=_free_case,
    once=False,  # a refund that was refused needs another decision
)
