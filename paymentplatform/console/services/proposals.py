"""Proposals 复核申请: one operator proposes, another one approves exactly what was shown, and only then it is done.

Locks are taken from the top of the house down: the proposal first, then what its kind needs. Every decision
writes the move and the audit line in its own transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from ledger import api as ledger
from paymentplatform.console.contracts import (
    Approval,
    ProposalChanged,
    ProposalConflict,
    ProposalNotOpen,
    ProposalView,
    SecondPersonRequired,
    hash_proposal,
)
from paymentplatform.console.models import Proposal, Transition
from paymentplatform.console.proposals.base import ProposalKind
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.console.services.identities import require_person
from paymentplatform.console.states import PROPOSAL
from paymentplatform.kernel import context, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound, PermissionRefused
from paymentplatform.kernel.proposing import WaitingProposal


@dataclass(frozen=True, slots=True)
class NewProposal:
    """The wish of one operator."""

    kind: str
    payload: Mapping[str, Any]
    operator: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checked wish: what it would do, and the hash over all of it."""

    payload: dict[str, Any]
    preview: dict[str, Any]
    preview_hash: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call; ``repeated`` when an earlier one had done it already."""

    proposal: ProposalView
    repeated: bool = False


@transactions.start
def preview_proposal(new: NewProposal) -> Sealed:
    """Check a wish and tell what it would do; nothing is written (start). Raises what ``make_proposal`` raises."""
    _check_wish(new)
    return _seal(_find_kind(new.kind), new.payload)


@transactions.start
def make_proposal(new: NewProposal) -> Outcome:
    """Write a proposal down for another operator to approve (start).

    The same wish again, while it is open or once it was approved, answers with the first proposal. Raises
    PermissionRefused for somebody who is no active operator, InvalidRequest, ProposalConflict for a reference with
    other content, and what the kind raises.
    """
    operator = _check_wish(new)
    kind = _find_kind(new.kind)
    known = _find_standing(kind, new.payload)
    if known is not None:
        return Outcome(view_proposal(known), repeated=True)
    sealed = _seal(kind, new.payload)
    now = database_now()
    row = Proposal(
        proposal_no=numbers.new_number(numbers.PROPOSAL),
        kind=kind.name,
        subject_no=kind.subject_of(sealed.payload),
        reference=kind.reference_of(sealed.payload),
        payload=sealed.payload,
        preview=sealed.preview,
        preview_hash=sealed.preview_hash,
        maker=operator.get_username(),
        reason=new.reason.strip(),
        created_at=now,
        expires_at=now + timedelta(seconds=settings.PROPOSAL_EXPIRES_S),
    )
    # Somebody else may be proposing under the same reference: wait for him, then see what he wrote.
    Proposal.objects.bulk_create([row], ignore_conflicts=True)
    if not Proposal.objects.filter(pk=row.pk).exists():
        return Outcome(_require_standing(kind, new.payload), repeated=True)
    _record_move(row, source="", cause="operator")
    kind.on_made(row.payload)
    record_operator_action(
        operator=operator,
        action="make_proposal",
        object_no=row.proposal_no,
        reason=row.reason,
        after={"kind": row.kind, "payload": row.payload, "preview_hash": row.preview_hash},
    )
    return Outcome(view_proposal(row))


@transactions.require
def propose(*, kind: str, payload: Mapping[str, Any], operator: str, reason: str) -> str:
    """Make a proposal in the caller's transaction and return its number (require). Raises as ``make_proposal`` does."""
    made = transactions.join(make_proposal)(NewProposal(kind, payload, operator, reason))
    return made.proposal.proposal_no


@transactions.start
def approve_proposal(
    *,
    proposal_no: str,
    operator: str,
    preview_hash: str,
    reason: str,
    dry_run: bool = False,
) -> Outcome:
    """Approve what hashes to ``preview_hash`` and do it, in one transaction (start).

    The preview is computed again under the lock of the proposal and must be the stored one. Repeating one's own
    approval changes nothing; ``dry_run`` checks everything and does nothing. Raises NotFound, PermissionRefused,
    SecondPersonRequired, ProposalNotOpen (also past its time), ProposalChanged, and what the kind raises; the
    proposal is then as it was.
    """
    checker = _get_operator(operator)
    row = _lock_proposal(proposal_no)
    kind = _find_kind(row.kind)
    if row.status == "APPROVED" and row.checker == checker.get_username():
        if preview_hash != row.preview_hash:
            raise ProposalChanged
        return Outcome(view_proposal(row), repeated=True)
    _check_decision(row, checker=checker, reason=reason)
    sealed = _seal(kind, row.payload)
    if not preview_hash == row.preview_hash == sealed.preview_hash:
        raise ProposalChanged
    if dry_run:
        return Outcome(view_proposal(row))
    approval = Approval(row.proposal_no, row.maker, checker.get_username(), reason.strip())
    row.result = kind.execute(row.payload, approval)
    _check_done(row)
    row.mark_approved()
    _decide(row, cause="operator", reason=reason, checker=checker.get_username())
    _audit(row, checker, action="approve_proposal")
    return Outcome(view_proposal(row))


@transactions.start
def refuse_proposal(*, proposal_no: str, operator: str, reason: str) -> Outcome:
    """Say no; nothing is executed (start). Raises as ``approve_proposal`` does."""
    checker = _get_operator(operator)
    row = _lock_proposal(proposal_no)
    _check_decision(row, checker=checker, reason=reason)
    row.mark_refused()
    _decide(row, cause="operator", reason=reason, checker=checker.get_username())
    _tell_dropped(row)
    _audit(row, checker, action="refuse_proposal")
    return Outcome(view_proposal(row))


@transactions.start
def withdraw_proposal(*, proposal_no: str, operator: str, reason: str) -> Outcome:
    """Take one's own proposal back (start). Raises NotFound, PermissionRefused for another one's, ProposalNotOpen."""
    maker = _get_operator(operator)
    row = _lock_proposal(proposal_no)
    if maker.get_username() != row.maker:
        raise PermissionRefused("Only its maker can withdraw a proposal; refuse it instead.")
    _check_open(row)
    _check_reason(reason)
    row.mark_withdrawn()
    _decide(row, cause="operator", reason=reason)
    _tell_dropped(row)
    _audit(row, maker, action="withdraw_proposal")
    return Outcome(view_proposal(row))


@transactions.start
def expire_due_proposals(*, limit: int) -> int:
    """End at most ``limit`` open proposals that are past their time and return how many (start).

    Safe to run at once in several processes: rows that somebody decides just now are skipped.
    """
    due = (
        Proposal.objects.select_for_update(skip_locked=True)
        .filter(status="OPEN", expires_at__lte=database_now())
        .order_by("expires_at")[:limit]
    )
    rows = list(due)
    for row in rows:
        _expire(row)
    return len(rows)


def count_due_proposals() -> int:
    """Return how many open proposals are past their time."""
    return Proposal.objects.filter(status="OPEN", expires_at__lte=database_now()).count()


def list_waiting(*, subject_nos: Sequence[str]) -> list[WaitingProposal]:
    """Return the open proposals about these numbers, the oldest first, by one query."""
    rows = Proposal.objects.filter(
        subject_no__in=subject_nos, status="OPEN", expires_at__gt=database_now()
    )
    return [
        WaitingProposal(
            proposal_no=row.proposal_no,
            kind=row.kind,
            title=str(KINDS[row.kind].title) if row.kind in KINDS else row.kind,
            subject_no=row.subject_no,
            maker=row.maker,
            expires_at=row.expires_at,
            alone=row.reference == row.subject_no,
        )
        for row in rows.order_by("proposal_no")
    ]


def get_proposal(*, proposal_no: str) -> ProposalView:
    """Return one proposal. Raises NotFound."""
    row = Proposal.objects.filter(proposal_no=proposal_no).first()
    if row is None:
        raise NotFound(f"There is no proposal {proposal_no}.")
    return view_proposal(row)


def view_proposal(row: Proposal) -> ProposalView:
    """Copy a row into what may leave this module."""
    return ProposalView(**{name.name: getattr(row, name.name) for name in fields(ProposalView)})


def _check_wish(new: NewProposal) -> AbstractBaseUser:
    _check_reason(new.reason)
    operator = _get_operator(new.operator)
    _require_right(operator, f"propose_{_find_kind(new.kind).name}")
    return operator


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidRequest("A reason is required.")


def _find_kind(name: str) -> ProposalKind:
    if name not in KINDS:
        raise InvalidRequest(f"There is no proposal of kind {name}.")
    return KINDS[name]


def _get_operator(username: str) -> AbstractBaseUser:
    user = get_user_model().objects.filter(username=username, is_active=True, is_staff=True).first()
    if user is None:
        raise PermissionRefused(f"{username} is not an active operator.")
    require_person(user)
    return user


def _require_right(operator: AbstractBaseUser, codename: str) -> None:
    """Raise PermissionRefused unless one of the operator's roles may do this (superusers may)."""
    if not operator.has_perm(f"console.{codename}"):  # type: ignore[attr-defined]
        raise PermissionRefused(f"{operator.get_username()} has not the right {codename}.")


def _lock_proposal(proposal_no: str) -> Proposal:
    row = Proposal.objects.select_for_update().filter(proposal_no=proposal_no).first()
    if row is None:
        raise NotFound(f"There is no proposal {proposal_no}.")
    return row


def _find_standing(kind: ProposalKind, payload: Mapping[str, Any]) -> Proposal | None:
    """Return the proposal that already says the same, ending an open one past its time on the way.

    Raises ProposalConflict when one under the same reference says something else.
    """
    standing = ["OPEN", "APPROVED"] if kind.once else ["OPEN"]
    rows = Proposal.objects.select_for_update().filter(
        kind=kind.name, reference=kind.reference_of(payload), status__in=standing
    )
    row = rows.order_by("-proposal_no").first()
    if row is None:
        return None
    if row.status == "OPEN" and row.expires_at <= database_now():
        _expire(row)
        return None
    if row.payload != dict(payload):
        raise ProposalConflict(
            f"{row.reference} is already proposed with other content: {row.proposal_no}. Look there first."
        )
    return row


def _require_standing(kind: ProposalKind, payload: Mapping[str, Any]) -> ProposalView:
    row = _find_standing(kind, payload)
    if row is None:
        raise ProposalConflict("The reference was in use a moment ago; try again.")
    return view_proposal(row)


def _seal(kind: ProposalKind, payload: Mapping[str, Any]) -> Sealed:
    """Check the payload, build the preview and hash them, as they read after a way through the database."""
    plain = json.loads(json.dumps(dict(payload)))
    preview = json.loads(json.dumps(kind.build_preview(plain).as_json()))
    return Sealed(plain, preview, hash_proposal(kind=kind.name, payload=plain, preview=preview))


def _check_decision(row: Proposal, *, checker: AbstractBaseUser, reason: str) -> None:
    _check_open(row)
    if checker.get_username() == row.maker:
        raise SecondPersonRequired(f"{row.maker} made this proposal; another person must decide.")
    _require_right(checker, f"approve_{row.kind}")
    _check_reason(reason)


def _check_open(row: Proposal) -> None:
    if row.status != "OPEN":
        raise ProposalNotOpen(f"{row.proposal_no} is {row.status}.")
    if row.expires_at <= database_now():
        raise ProposalNotOpen(f"{row.proposal_no} has expired.")


def _check_done(row: Proposal) -> None:
    """Compare the journal that was posted with the one that was shown. Raises ProposalChanged."""
    shown = row.preview["journal"]
    if shown is None:
        return
    posted = ledger.find_journal(event_type=shown["event_type"], event_id=shown["event_id"])
    postings = [
        {
            "debit": posting.debit,
            "credit": posting.credit,
            "amount": posting.amount,
            "currency": posting.currency,
        }
        for posting in (posted.postings if posted is not None else ())
    ]
    if postings != shown["postings"]:
        raise ProposalChanged(f"{row.kind} posted something else than {row.proposal_no} shows.")


def _expire(row: Proposal) -> None:
    row.mark_expired()
    _decide(row, cause="expiry", reason="Nobody decided in time.")
    _tell_dropped(row)


def _tell_dropped(row: Proposal) -> None:
    """Tell what it was about. A kind that a later release has taken away must not keep its proposals open."""
    if row.kind in KINDS:
        KINDS[row.kind].on_dropped(row.payload)


def _decide(row: Proposal, *, cause: str, reason: str, checker: str | None = None) -> None:
    """Save a row that a transition has just moved out of OPEN, with its event row."""
    row.checker = checker
    row.decided_at = database_now()
    row.decision_reason = reason.strip()
    row.save(update_fields=["status", "checker", "decided_at", "decision_reason", "result"])
    _record_move(row, source=PROPOSAL.initial, cause=cause)


def _record_move(row: Proposal, *, source: str, cause: str) -> None:
    Transition.objects.create(
        machine=PROPOSAL.name,
        object_no=row.proposal_no,
        from_status=source,
        to_status=row.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )


def _audit(row: Proposal, operator: AbstractBaseUser, *, action: str) -> None:
    after = {"status": row.status, "preview_hash": row.preview_hash}
    record_operator_action(
        operator=operator,
        action=action,
        object_no=row.proposal_no,
        reason=row.decision_reason or "",
        before={"status": PROPOSAL.initial},
        after=after if row.result is None else after | {"result": row.result},
    )
