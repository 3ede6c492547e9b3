"""A refund on an operator's word: L20 or L21 → L30 when it is approved, sent by the janitor."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from paymentplatform.console.contracts import Approval, JournalPreview, PostingPreview, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.roles import Role

_FIELDS = ("order_no", "refund_no", "merchant_refund_no", "amount", "reason")


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound, InvalidRequest and every refusal of a refund."""
    journal = acquiring.preview_refund(**{name: payload[name] for name in _FIELDS})
    effects = {name: payload[name] for name in ("order_no", "refund_no", "merchant_refund_no")}
    if journal is None:
        return Preview(None, effects)
    postings = tuple(
        PostingPreview(line.debit, line.credit, line.amount, line.currency)
        for line in journal.postings
    )
    return Preview(JournalPreview(journal.event_type, journal.event_id, postings), effects)


def _execute(payload: Payload, _approval: Approval) -> str:
    return acquiring.request_refund(**{name: payload[name] for name in _FIELDS})


REFUND = ProposalKind(
    name="refund",
    title=_("Refund"),
    subject_of=lambda payload: str(payload["order_no"]),
    reference_of=lambda payload: str(payload["order_no"]),
    build_preview=_build_preview,
    execute=_execute,
    once=False,  # an order takes several refunds, one proposal at a time
    proposed_by=(Role.SUPPORT, Role.OPERATOR),
    approved_by=(Role.OPERATOR, Role.ACCOUNTANT),
)
