"""Money for a payer's balance from the platform's bank account: A20 → L10, once per reference."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from checkout import api as checkout
from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.bank_receipts import check_receipt, refuse_posted
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.roles import Role


def build_payload(*, payer_no: str, currency: str, amount: int, reference: str) -> dict[str, Any]:
    """Return the payload of a top-up; ``amount`` in minor units, ``reference`` e.g. the bank's number."""
    return {
        "payer_no": payer_no,
        "currency": currency,
        "amount": amount,
        "reference": reference.strip(),
    }


def _build_preview(payload: Payload) -> Preview:
    """Raises InvalidRequest, NotFound for an unknown payer, ProposalConflict for a reference that was posted."""
    check_receipt(payload)
    if not checkout.is_payer(payer_no=payload["payer_no"]):
        raise NotFound(f"There is no payer {payload['payer_no']}.")
    draft = _draft(payload)
    refuse_posted(draft)
    return Preview(preview_journal(draft))


def _execute(payload: Payload, _approval: Approval) -> str:
    return ledger.post_journal(draft=_draft(payload))


def _draft(payload: Payload) -> JournalDraft:
    return ledger.build_top_up(
        reference=payload["reference"],
        payer_no=payload["payer_no"],
        currency=payload["currency"],
        amount=payload["amount"],
    )


PAYER_TOP_UP = ProposalKind(
    name="payer_top_up",
    title=_("Payer top-up"),
    subject_of=lambda payload: str(payload["payer_no"]),
    reference_of=lambda payload: str(payload["reference"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(Role.OPERATOR, Role.ACCOUNTANT),
    approved_by=(Role.ACCOUNTANT,),
)
