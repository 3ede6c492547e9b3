"""Proposals, made and decided through the same services as everybody's."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User

from paymentplatform.console.contracts import ProposalView
from paymentplatform.console.proposals.payer_top_up import PAYER_TOP_UP, build_payload
from paymentplatform.console.services.proposals import (
    NewProposal,
    Outcome,
    approve_proposal,
    make_proposal,
)
from paymentplatform.kernel import numbers
from paymentplatform.kernel.roles import Role

AMOUNT = 500


def operator(*roles: Role) -> str:
    """Somebody who works here in these roles; who keeps the books when none is said."""
    user = User.objects.create_user(username=numbers.new_number("op"), is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles or (Role.ACCOUNTANT,)))
    return user.username


def wish(*, payer: str, maker: str | None = None, **changes: Any) -> NewProposal:
    """A top-up of 5.00 CNY under a fresh reference."""
    fields = {"currency": "CNY", "amount": AMOUNT, "reference": numbers.new_number("ref")} | changes
    payload = build_payload(payer_no=payer, **fields)
    return NewProposal(PAYER_TOP_UP.name, payload, maker or operator(), "bank transfer")


def proposed(*, payer: str, maker: str | None = None, **changes: Any) -> ProposalView:
    """An open proposal."""
    return make_proposal(wish(payer=payer, maker=maker, **changes)).proposal


def approve(proposal: ProposalView, *, checker: str | None = None, **changes: Any) -> Outcome:
    """Approve what the proposal shows."""
    return approve_proposal(
        **{
            "proposal_no": proposal.proposal_no,
            "operator": checker or operator(),
            "preview_hash": proposal.preview_hash,
            "reason": "seen the bank's statement",
        }
        | changes
    )


def approved(*, payer: str) -> ProposalView:
    """A proposal that was approved and done."""
    return approve(proposed(payer=payer)).proposal
