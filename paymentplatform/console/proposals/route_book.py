"""A new version of the route book: two people agree on which channels payments go to, and by which rules."""

from __future__ import annotations

import json

from django.utils.translation import gettext_lazy as _

from checkout import api as checkout
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel import transactions
from paymentplatform.kernel.roles import Role


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, and RouteBookOutdated once another version is in force."""
    changes = checkout.describe_route_book_change(
        document=payload["document"], based_on=payload["based_on"]
    )
    effects: dict[str, int | str] = {
        "version": payload["based_on"] + 1,
        **changes,
        "document": json.dumps(payload["document"], ensure_ascii=False, sort_keys=True),
    }
    return Preview(None, effects)


def _execute(payload: Payload, approval: Approval) -> str:
    version = transactions.join(checkout.adopt_route_book)(
        document=payload["document"],
        based_on=payload["based_on"],
        reason=approval.reason,
        made_by=f"{approval.maker}, {approval.checker}",
    )
    return f"route book {version}"


ROUTE_BOOK = ProposalKind(
    name="route_book",
    title=_("Route book"),
    subject_of=lambda payload: f"route book {payload['based_on'] + 1}",
    reference_of=lambda payload: f"route book {payload['based_on'] + 1}",
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.OPERATOR, Role.RISK),
    approved_by=(Role.OPERATOR, Role.RISK),
)
