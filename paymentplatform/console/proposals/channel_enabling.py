"""A disabled channel takes payments again: two people agree that the reason is gone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from engine import api as engine
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.roles import Role


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound and ChannelNotDisabled."""
    engine.check_disabled_channel(channel_code=payload["channel_code"])
    return Preview(None, {"channel_code": payload["channel_code"], "status": "ENABLED"})


def _execute(payload: Payload, approval: Approval) -> str:
    engine.enable_channel(
        channel_code=payload["channel_code"],
        reason=approval.reason,
        made_by=f"{approval.maker}, {approval.checker}",
    )
    return str(payload["channel_code"])


CHANNEL_ENABLING = ProposalKind(
    name="channel_enabling",
    title=_("Enabling of a channel"),
    subject_of=lambda payload: str(payload["channel_code"]),
    reference_of=lambda payload: str(payload["channel_code"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.OPERATOR, Role.RISK),
    approved_by=(Role.OPERATOR, Role.RISK),
    once=False,
)
