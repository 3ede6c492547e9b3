"""Money for a payer's balance from the platform's bank account: two operators, one journal, one audit line."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from checkout import api as checkout
from ledger import api as ledger
from ledger.contracts import JournalDraft, PostingDraft
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionRefused
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency


@dataclass(frozen=True, slots=True)
class TopUp:
    """The wish of one operator that another one approves. ``reference`` makes it happen once for ever."""

    reference: str
    payer_no: str
    currency: str
    amount: int
    operator: str
    approved_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TopUpResult:
    """What was posted, or would be: ``journal_no`` None is a dry run, ``repeated`` means it was posted before."""

    journal_no: str | None
    postings: tuple[PostingDraft, ...]
    repeated: bool


@transactions.start
def top_up_payer(top_up: TopUp, *, dry_run: bool = False) -> TopUpResult:
    """Post A20 → L10 once per reference and write the audit line (start); ``dry_run`` only checks and builds.

    Raises InvalidRequest (amount, currency, reason, the two operators being one), PermissionRefused when one of them is
    no active operator, NotFound for an unknown payer, Conflict for a reference with other content.
    """
    operator = _check(top_up)
    draft = ledger.build_top_up(
        reference=top_up.reference,
        payer_no=top_up.payer_no,
        currency=top_up.currency,
        amount=top_up.amount,
    )
    known = _find_posted(draft)
    if known is not None or dry_run:
        return TopUpResult(known, draft.postings, known is not None)
    journal_no = ledger.post_journal(draft=draft)
    record_operator_action(
        operator=operator,
        action="top_up_payer",
        object_no=top_up.payer_no,
        reason=top_up.reason,
        after={
            "journal_no": journal_no,
            "reference": top_up.reference,
            "amount": top_up.amount,
            "currency": top_up.currency,
            "approved_by": top_up.approved_by,
        },
    )
    return TopUpResult(journal_no, draft.postings, repeated=False)


def _check(top_up: TopUp) -> AbstractBaseUser:
    if not 1 <= top_up.amount <= MAX_AMOUNT:
        raise InvalidRequest(f"The amount must be between 1 and {MAX_AMOUNT} minor units.")
    if not is_currency(top_up.currency):
        raise InvalidRequest(f"{top_up.currency} is not a currency of this platform.")
    if not top_up.reason.strip() or not top_up.reference.strip():
        raise InvalidRequest("A top-up has a reference and a reason.")
    if top_up.approved_by == top_up.operator:
        raise InvalidRequest("Whoever asks for a top-up cannot approve it.")
    operator, _approver = _get_operator(top_up.operator), _get_operator(top_up.approved_by)
    if not checkout.is_payer(payer_no=top_up.payer_no):
        raise NotFound(f"There is no payer {top_up.payer_no}.")
    return operator


def _get_operator(username: str) -> AbstractBaseUser:
    user = get_user_model().objects.filter(username=username, is_active=True, is_staff=True).first()
    if user is None:
        raise PermissionRefused(f"{username} is not an active operator.")
    return user


def _find_posted(draft: JournalDraft) -> str | None:
    """Return the journal of the same top-up. Raises Conflict when it moved something else."""
    journal = ledger.find_journal(event_type=draft.event_type, event_id=draft.event_id)
    if journal is None:
        return None
    wanted = [(posting.debit, posting.credit, posting.amount) for posting in draft.postings]
    posted = [(posting.debit, posting.credit, posting.amount) for posting in journal.postings]
    if posted != wanted:
        raise Conflict(f"{draft.event_id} was posted as {journal.journal_no}.")
    return journal.journal_no
