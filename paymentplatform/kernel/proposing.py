"""The port to proposals 复核申请: pages of every app propose through it, the console on the top floor keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class Proposer(Protocol):
    """Writes a proposal down, with its audit line, in the caller's transaction; returns its number (require).

    Raises PermissionRefused, InvalidRequest, ProposalConflict and whatever the kind refuses.
    """

    def __call__(self, *, kind: str, payload: Mapping[str, Any], operator: str, reason: str) -> str:
        """Propose it."""


_proposers: list[Proposer] = []


def register_proposer(proposer: Proposer) -> None:
    """Plug in the console, once, at start-up."""
    _proposers[:] = [proposer]


def proposer() -> Proposer:
    """Return the registered one; without it nothing can be proposed."""
    (registered,) = _proposers
    return registered


@dataclass(frozen=True, slots=True)
class WaitingProposal:
    """A proposal that waits for a second person. ``alone``: none of its kind is made about the same thing meanwhile."""

    proposal_no: str
    kind: str
    title: str
    subject_no: str
    maker: str
    expires_at: datetime
    alone: bool


class WaitingLister(Protocol):
    """Lists what waits about these numbers, the oldest first, by one query; nothing for none."""

    def __call__(self, *, subject_nos: Sequence[str]) -> list[WaitingProposal]:
        """List them."""


_listers: list[WaitingLister] = []


def register_waiting_lister(lister: WaitingLister) -> None:
    """Plug in the console, once, at start-up."""
    _listers[:] = [lister]


def list_waiting_proposals(*, subject_nos: Sequence[str]) -> list[WaitingProposal]:
    """Return what waits for a second person about these numbers, the oldest first."""
    (registered,) = _listers
    return registered(subject_nos=subject_nos)
