"""What a kind of proposal has to say: what it is about, what it will do, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from ledger.contracts import JournalDraft
from paymentplatform.console.contracts import Approval, JournalPreview, PostingPreview, Preview
from paymentplatform.kernel.roles import ONLY_ADMINS, Role

Payload = Mapping[str, Any]


def _do_nothing(_payload: Payload) -> None:
    """Nobody has to know."""


@dataclass(frozen=True, slots=True)
class ProposalKind:
    """One kind. All four functions take the payload, a JSON object without floats, exactly as it was proposed.

    ``build_preview`` checks the payload and tells what execution would do now; it runs inside a transaction, when
    the proposal is made and again at approval, and may lock what it reads. ``execute`` does it inside the
    approving transaction, by calls of app services that *require* one, and returns what it made (a number). Both
    raise DomainErrors. ``reference_of`` is what the act is known by: at most one open proposal of a kind has it,
    and with ``once`` no second one after an approval. ``on_made`` and ``on_dropped`` (refused, withdrawn, expired) tell
    what it is about that it waits, in the same transaction; they may not refuse.

    ``proposed_by`` and ``approved_by`` name the roles; the permissions ``console.propose_NAME`` and
    ``console.approve_NAME`` come from them, and the service asks for them whoever calls it.
    """

    name: str
    title: str | Promise
    subject_of: Callable[[Payload], str]
    reference_of: Callable[[Payload], str]
    build_preview: Callable[[Payload], Preview]
    execute: Callable[[Payload, Approval], str]
    proposed_by: tuple[Role, ...] = ONLY_ADMINS
    approved_by: tuple[Role, ...] = ONLY_ADMINS
    once: bool = True
    on_made: Callable[[Payload], None] = _do_nothing
    on_dropped: Callable[[Payload], None] = _do_nothing


def preview_journal(draft: JournalDraft) -> JournalPreview:
    """Show a draft exactly as it would be posted."""
    return JournalPreview(
        event_type=draft.event_type,
        event_id=draft.event_id,
        postings=tuple(
            PostingPreview(posting.debit, posting.credit, posting.amount, draft.currency)
            for posting in draft.postings
        ),
    )
