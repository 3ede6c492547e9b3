"""The port to proposals 复核申请: pages of every app propose through it, the console on the top floor keeps them."""

from __future__ import annotations

from collections.abc import Mapping
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
