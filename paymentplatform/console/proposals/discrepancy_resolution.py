"""How a difference between a channel's statement and our books ends: by a reason, and the journal that goes with it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from engine import api as engine
from engine.contracts import Resolution
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.roles import Role


def build_payload(*, discrepancy_no: str, resolution: Resolution) -> dict[str, Any]:
    """Return the payload of a resolution; why is the proposal's reason."""
    return {"discrepancy_no": discrepancy_no, "resolution": resolution.value}


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, NotFound, DiscrepancyNotOpen and ResolutionNotPossible."""
    resolution = _read_resolution(payload)
    row = engine.check_discrepancy(discrepancy_no=payload["discrepancy_no"])
    draft = engine.preview_resolution(
        discrepancy_no=payload["discrepancy_no"], resolution=resolution
    )
    effects = {
        "discrepancy_no": row.discrepancy_no,
        "kind": row.kind,
        "difference": f"{row.difference} {row.currency}",
        "resolution": resolution.value,
    }
    return Preview(preview_journal(draft) if draft is not None else None, effects)


def _execute(payload: Payload, approval: Approval) -> str:
    return engine.resolve_discrepancy(
        discrepancy_no=payload["discrepancy_no"],
        resolution=_read_resolution(payload),
        decided_by=f"proposal:{approval.proposal_no}",
    )


def _read_resolution(payload: Payload) -> Resolution:
    try:
        return Resolution(payload["resolution"])
    except ValueError:
        raise InvalidRequest(f"{payload['resolution']} is no resolution.") from None


DISCREPANCY_RESOLUTION = ProposalKind(
    name="discrepancy_resolution",
    title=_("Resolution of a difference"),
    subject_of=lambda payload: str(payload["discrepancy_no"]),
    reference_of=lambda payload: str(payload["discrepancy_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.OPERATOR, Role.ACCOUNTANT),
    approved_by=(Role.ACCOUNTANT,),
    on_made=lambda payload: engine.propose_discrepancy(discrepancy_no=payload["discrepancy_no"]),
    on_dropped=lambda payload: engine.reopen_discrepancy(discrepancy_no=payload["discrepancy_no"]),
)
