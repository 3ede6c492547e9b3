"""The end of a case that no event ends by itself: two people agree that there is nothing more to do."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from engine import api as engine
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.roles import Role


def build_payload(*, case_no: str) -> dict[str, Any]:
    """Return the payload of a resolution; why is the proposal's reason."""
    return {"case_no": case_no}


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound, CaseNotOpen and CaseStillNeeded."""
    case = engine.check_case(case_no=payload["case_no"])
    effects = {
        "case_no": case.case_no,
        "kind": case.kind,
        "object_no": case.object_no,
        "status": "RESOLVED",
    }
    return Preview(None, effects)


def _execute(payload: Payload, _approval: Approval) -> str:
    return engine.resolve_case(case_no=payload["case_no"])


CASE_RESOLUTION = ProposalKind(
    name="case_resolution",
    title=_("Case resolution"),
    subject_of=lambda payload: str(payload["case_no"]),
    reference_of=lambda payload: str(payload["case_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.SUPPORT, Role.OPERATOR, Role.ACCOUNTANT),
    approved_by=(Role.OPERATOR, Role.ACCOUNTANT),
    on_made=lambda payload: engine.propose_case(case_no=payload["case_no"]),
    on_dropped=lambda payload: engine.reopen_case(case_no=payload["case_no"]),
)
