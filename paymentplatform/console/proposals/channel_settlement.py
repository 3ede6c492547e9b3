"""A channel has paid what it owes into our bank account, net of its cost: A20 → A10 and X10 → A10, once a reference."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from engine import api as engine
from paymentplatform.console.contracts import Approval, Preview, ProposalConflict
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency
from paymentplatform.kernel.roles import Role


def build_payload(
    *, channel_code: str, currency: str, gross: int, cost: int, reference: str
) -> dict[str, Any]:
    """Return the payload: ``gross`` is what the channel no longer owes, ``cost`` what it kept of it (minor units)."""
    return {
        "channel_code": channel_code,
        "currency": currency,
        "gross": gross,
        "cost": cost,
        "reference": reference.strip(),
    }


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, NotFound for an unknown channel, ProposalConflict for a reference that was settled."""
    gross, cost = payload["gross"], payload["cost"]
    if not is_currency(payload["currency"]):
        raise InvalidRequest(f"{payload['currency']} is not a currency of this platform.")
    if not 1 <= gross <= MAX_AMOUNT or not 0 <= cost <= gross:
        raise InvalidRequest("The cost is between 0 and what was settled, at least 1 minor unit.")
    settled = engine.find_channel_settlement(
        channel_code=payload["channel_code"], reference=payload["reference"]
    )
    if settled is not None:
        raise ProposalConflict(f"{payload['reference']} was settled as {settled}.")
    draft = engine.preview_channel_settlement(**payload)
    return Preview(preview_journal(draft), {"bank": f"{gross - cost} {payload['currency']}"})


def _execute(payload: Payload, approval: Approval) -> str:
    return engine.record_channel_settlement(
        **payload, decided_by=f"proposal:{approval.proposal_no}"
    )


CHANNEL_SETTLEMENT = ProposalKind(
    name="channel_settlement",
    title=_("Settlement of a channel"),
    subject_of=lambda payload: str(payload["channel_code"]),
    reference_of=lambda payload: f"{payload['channel_code']}/{payload['reference']}",
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
)
