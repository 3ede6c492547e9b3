"""The end of a risk hold: two people agree that the money may go its way."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.roles import Role


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound and HoldNotActive."""
    merchant_no, order_no = acquiring.check_settlement_hold(hold_no=payload["hold_no"])
    effects: dict[str, int | str] = {
        "hold_no": payload["hold_no"],
        "merchant_no": merchant_no,
        "order_no": order_no or "–",
        "status": "LIFTED",
    }
    return Preview(None, effects)


def _execute(payload: Payload, approval: Approval) -> str:
    return acquiring.lift_settlement_hold(
        hold_no=payload["hold_no"], operator=approval.checker, reason=approval.reason
    )


SETTLEMENT_HOLD_LIFTING = ProposalKind(
    name="settlement_hold_lifting",
    title=_("End of a risk hold"),
    subject_of=lambda payload: str(payload["hold_no"]),
    reference_of=lambda payload: str(payload["hold_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(
        Role.RISK,
        Role.ACCOUNTANT,
    ),
    approved_by=(Role.RISK,),
)
