"""Payouts by two persons: sending one (L21 → L22), what the bank said (L22 → A20, or back), its return (A20 → L21).

One that is given back after it was paid stays PAID.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.roles import Role


def _preview_sending(payload: Payload) -> Preview:
    """Raises NotFound, PayoutNotOpen, MerchantOnHold and InsufficientAvailable."""
    draft = acquiring.preview_payout_sending(payout_no=payload["payout_no"])
    return Preview(preview_journal(draft), {"payout_no": payload["payout_no"], "status": "SENT"})


def _send(payload: Payload, _approval: Approval) -> str:
    return acquiring.send_payout(payout_no=payload["payout_no"])


def _preview_result(payload: Payload) -> Preview:
    """Raises NotFound, PayoutNotOpen and InvalidRequest."""
    draft = acquiring.preview_payout_result(**payload)
    status = "PAID" if payload["bank_reference"] else "FAILED"
    return Preview(preview_journal(draft), {"payout_no": payload["payout_no"], "status": status})


def _record_result(payload: Payload, _approval: Approval) -> str:
    return acquiring.end_payout(**payload)


def _preview_return(payload: Payload) -> Preview:
    """Raises NotFound, PayoutNotOpen and InvalidRequest."""
    draft = acquiring.preview_payout_return(**payload)
    return Preview(preview_journal(draft), {name: str(payload[name]) for name in _RETURN})


def _record_return(payload: Payload, approval: Approval) -> str:
    return acquiring.record_payout_return(**payload, decided_by=f"proposal:{approval.proposal_no}")


_RETURN = ("payout_no", "bank_reference", "return_code")

PAYOUT_SENDING = ProposalKind(
    name="payout_sending",
    title=_("Payout"),
    subject_of=lambda payload: str(payload["payout_no"]),
    reference_of=lambda payload: str(payload["payout_no"]),
    build_preview=_preview_sending,
    execute=_send,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
    on_made=lambda payload: acquiring.propose_payout(payout_no=payload["payout_no"]),
    on_dropped=lambda payload: acquiring.drop_payout_proposal(payout_no=payload["payout_no"]),
)

PAYOUT_RESULT = ProposalKind(
    name="payout_result",
    title=_("Result of a payout"),
    subject_of=lambda payload: str(payload["payout_no"]),
    reference_of=lambda payload: str(payload["payout_no"]),
    build_preview=_preview_result,
    execute=_record_result,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
)

PAYOUT_RETURN = ProposalKind(
    name="payout_return",
    title=_("Return of a payout"),
    subject_of=lambda payload: str(payload["payout_no"]),
    reference_of=lambda payload: str(payload["payout_no"]),
    build_preview=_preview_return,
    execute=_record_return,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
)
