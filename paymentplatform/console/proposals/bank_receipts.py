"""Money that has come into our bank account, as people type it: an amount and the bank's number, which is good once."""

from __future__ import annotations

from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.console.contracts import ProposalConflict
from paymentplatform.console.proposals.base import Payload
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency

MAX_REFERENCE_CHARACTERS = 128


def check_receipt(payload: Payload) -> None:
    """Raise InvalidRequest for an amount, currency or reference that no receipt can have."""
    amount, reference = payload["amount"], payload["reference"]
    if not 1 <= amount <= MAX_AMOUNT:
        raise InvalidRequest(f"The amount must be between 1 and {MAX_AMOUNT} minor units.")
    if not is_currency(payload["currency"]):
        raise InvalidRequest(f"{payload['currency']} is not a currency of this platform.")
    if not 1 <= len(reference) <= MAX_REFERENCE_CHARACTERS or not reference.isprintable():
        raise InvalidRequest("It has a reference of 1 to 128 printable characters.")


def refuse_posted(draft: JournalDraft) -> None:
    """Raise ProposalConflict when this fact is in the books already."""
    posted = ledger.find_journal(event_type=draft.event_type, event_id=draft.event_id)
    if posted is not None:
        raise ProposalConflict(f"{draft.event_id} was posted as {posted.journal_no}.")
