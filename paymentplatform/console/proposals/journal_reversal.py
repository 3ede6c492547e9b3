"""The mirror of a journal that people made: what institutions and orders made is never reversed by hand."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from ledger import api as ledger
from ledger.contracts import REVERSIBLE_BY_HAND, JournalDraft
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.errors import Conflict
from paymentplatform.kernel.roles import Role


class JournalNotReversible(Conflict):
    """Other rows say that this happened; undo the fact itself, by a refund, a close or a resolution."""

    code = "journal_not_reversible"
    title = "This journal is not reversed by hand"


def build_payload(*, journal_no: str) -> dict[str, Any]:
    """Return the payload of a reversal."""
    return {"journal_no": journal_no}


def _draft(payload: Payload) -> JournalDraft:
    journal = ledger.get_journal(journal_no=payload["journal_no"])
    if journal.event_type not in REVERSIBLE_BY_HAND:
        raise JournalNotReversible(f"{journal.journal_no} is a {journal.event_type}.")
    return ledger.build_reversal(journal=journal, accounting_date=None)


def _build_preview(payload: Payload) -> Preview:
    """Raises JournalNotFound and JournalNotReversible."""
    return Preview(preview_journal(_draft(payload)), {"journal_no": payload["journal_no"]})


def _execute(payload: Payload, _approval: Approval) -> str:
    return ledger.post_journal(draft=_draft(payload))


JOURNAL_REVERSAL = ProposalKind(
    name="journal_reversal",
    title=_("Reversal of a journal"),
    subject_of=lambda payload: str(payload["journal_no"]),
    reference_of=lambda payload: str(payload["journal_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
)
