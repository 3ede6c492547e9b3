"""What a proposal is made of and why one is refused: frozen data, named refusals. Pure: imports no framework."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from paymentplatform.kernel.errors import Action, Conflict, PermissionRefused


@dataclass(frozen=True, slots=True)
class PostingPreview:
    """One posting that approval will make, in minor units, between two account codes."""

    debit: str
    credit: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class JournalPreview:
    """The exact journal that approval will post; ``(event_type, event_id)`` makes it happen once."""

    event_type: str
    event_id: str
    postings: tuple[PostingPreview, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """All that approval will do: a journal, and what is no journal as ``effects`` (name → integer or text)."""

    journal: JournalPreview | None
    effects: Mapping[str, int | str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored, hashed and shown."""
        return {
            "journal": None
            if self.journal is None
            else {
                "event_type": self.journal.event_type,
                "event_id": self.journal.event_id,
                "postings": [asdict(posting) for posting in self.journal.postings],
            },
            "effects": dict(self.effects),
        }


@dataclass(frozen=True, slots=True)
class ProposalView:
    """One proposal as it stands. ``result`` is what its execution made, such as a journal's number."""

    proposal_no: str
    kind: str
    subject_no: str
    reference: str
    status: str
    payload: Mapping[str, Any]
    preview: Mapping[str, Any]
    preview_hash: str
    maker: str
    reason: str
    created_at: datetime
    expires_at: datetime
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    result: str | None


@dataclass(frozen=True, slots=True)
class Approval:
    """Who agreed to what: handed to the executor of a kind."""

    proposal_no: str
    maker: str
    checker: str
    reason: str


def hash_proposal(*, kind: str, payload: Mapping[str, Any], preview: Mapping[str, Any]) -> str:
    """Return SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8) of kind, payload and preview."""
    text = json.dumps(
        {"kind": kind, "payload": payload, "preview": preview},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


class SecondPersonRequired(PermissionRefused):
    """Whoever made a proposal cannot decide it; another person must."""

    code = "second_person_required"
    title = "Another person must decide this"


class PersonNotConfirmed(PermissionRefused):
    """The account's owner has not chosen his password yet, or no second administrator has confirmed who he is."""

    code = "person_not_confirmed"
    title = "Nobody has confirmed whose account this is"


class ProposalNotOpen(Conflict):
    """The proposal was decided, withdrawn or has expired."""

    code = "proposal_not_open"
    title = "The proposal is not open"


class ProposalChanged(Conflict):
    """What approval would do now is not what was shown. Nothing was done: look again, or propose anew."""

    code = "proposal_changed"
    title = "The proposal would do something else now"
    action = Action.CONTACT


class ProposalConflict(Conflict):
    """Another proposal, or something done before, already stands under this reference."""

    code = "proposal_conflict"
    title = "The reference is taken"
