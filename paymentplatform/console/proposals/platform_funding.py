"""The platform pays in money of its own: A20 → E10, once per reference.

Before the approval nothing is written but the proposal; journal and approval are one transaction. Whoever dies before
it commits leaves the proposal open and the books as they were: the other person approves again. The reference is the
journal's, so the same receipt is never booked twice, whoever proposes it, and when.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from ledger import api as ledger
from ledger.contracts import AccountKind, JournalDraft
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.bank_receipts import check_receipt, refuse_posted
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.roles import Role


def build_payload(*, currency: str, amount: int, reference: str) -> dict[str, Any]:
    """Return the payload; ``amount`` in minor units, ``reference`` e.g. the bank's number of the transfer."""
    return {"currency": currency, "amount": amount, "reference": reference.strip()}


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, and ProposalConflict for a reference that was posted."""
    check_receipt(payload)
    draft = _draft(payload)
    refuse_posted(draft)
    return Preview(preview_journal(draft))


def _execute(payload: Payload, _approval: Approval) -> str:
    return ledger.post_journal(draft=_draft(payload))


def _draft(payload: Payload) -> JournalDraft:
    return ledger.build_platform_funding(**payload)


PLATFORM_FUNDING = ProposalKind(
    name="platform_funding",
    title=_("Platform's own money"),
    subject_of=lambda payload: ledger.platform_account(
        kind=AccountKind.BANK, currency=str(payload["currency"])
    ),
    reference_of=lambda payload: str(payload["reference"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.ACCOUNTANT,),
    approved_by=(Role.ACCOUNTANT,),
)
