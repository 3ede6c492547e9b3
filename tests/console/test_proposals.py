"""Proposals: two people, exactly what was shown, exactly once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, transaction

from ledger import api as ledger
from ledger.contracts import InsufficientBalance
from paymentplatform.console.contracts import (
    Approval,
    Preview,
    ProposalChanged,
    ProposalConflict,
    ProposalNotOpen,
    ProposalView,
    SecondPersonRequired,
    hash_proposal,
)
from paymentplatform.console.models import AuditLog, Proposal, Transition
from paymentplatform.console.proposals.base import Payload, ProposalKind, preview_journal
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.proposals import (
    expire_due_proposals,
    get_proposal,
    make_proposal,
    preview_proposal,
    refuse_proposal,
    withdraw_proposal,
)
from paymentplatform.console.tasks import expire_due_proposals_task
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest, NotFound, PermissionRefused
from paymentplatform.kernel.roles import Role
from tests.barrier import failures, run_together
from tests.console.proposals import AMOUNT, approve, operator, proposed, wish
from tests.makers import make_payer

WEEK_S = 7 * 86_400


@pytest.fixture
def payer() -> str:
    return make_payer(balance=0)


def balance(payer: str) -> int:
    account = ledger.payer_balance(payer_no=payer, currency="CNY")
    return ledger.get_balance(account_code=account).balance


def footprint(payer: str) -> tuple[Any, ...]:
    """Everything about a payer's proposals that a refusal must leave as it was."""
    rows = list(Proposal.objects.filter(subject_no=payer).order_by("proposal_no").values())
    nos = [row["proposal_no"] for row in rows]
    return (
        rows,
        list(Transition.objects.filter(object_no__in=nos).order_by("id").values()),
        list(AuditLog.objects.filter(object_no__in=nos).order_by("id").values()),
        balance(payer),
    )


def moves(proposal: ProposalView) -> list[tuple[str, str, str]]:
    rows = Transition.objects.filter(object_no=proposal.proposal_no).order_by("id")
    return [(row.from_status, row.to_status, row.cause) for row in rows]


class TestMaking:
    def test_it_shows_the_exact_journal_and_moves_nothing(self, payer):
        made = proposed(payer=payer, reference="bank 1 " + payer)
        assert made.preview == {
            "journal": {
                "event_type": "top_up",
                "event_id": "bank 1 " + payer,
                "postings": [
                    {
                        "debit": "A20:platform:CNY",
                        "credit": f"L10:{payer}:CNY",
                        "amount": AMOUNT,
                        "currency": "CNY",
                    }
                ],
            },
            "effects": {},
        }
        assert (made.status, made.subject_no, balance(payer)) == ("OPEN", payer, 0)
        assert (made.expires_at - made.created_at).total_seconds() == WEEK_S
        assert moves(made) == [("", "OPEN", "operator")]
        line = AuditLog.objects.get(object_no=made.proposal_no)
        assert (line.operator, line.action, line.reason) == (
            made.maker,
            "make_proposal",
            "bank transfer",
        )

    def test_the_hash_is_sha256_of_canonical_json(self, payer):
        made = get_proposal(proposal_no=proposed(payer=payer).proposal_no)
        sealed = {"kind": made.kind, "payload": made.payload, "preview": made.preview}
        text = json.dumps(sealed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = subprocess.run(
            ["sha256sum"], input=text.encode(), capture_output=True, check=True
        ).stdout
        assert made.preview_hash == digest.decode().split()[0]

    @pytest.mark.parametrize("change", ["kind", "payload", "preview"])
    def test_the_hash_covers_everything(self, payer, change):
        made = proposed(payer=payer)
        sealed: dict[str, Any] = {
            "kind": made.kind,
            "payload": dict(made.payload),
            "preview": dict(made.preview),
        }
        other = sealed | {change: "x" if change == "kind" else sealed[change] | {"more": 1}}
        assert hash_proposal(**sealed) == made.preview_hash
        assert hash_proposal(**other) != made.preview_hash

    def test_the_same_wish_again_is_the_first_proposal(self, payer):
        new = wish(payer=payer)
        first = make_proposal(new)
        before = footprint(payer)
        again = make_proposal(new)
        assert (first.repeated, again.repeated, again.proposal) == (False, True, first.proposal)
        assert footprint(payer) == before
        approve(first.proposal)
        after = make_proposal(new)
        assert (after.repeated, after.proposal.status) == (True, "APPROVED")
        assert balance(payer) == AMOUNT

    def test_a_reference_with_other_content_is_refused(self, payer):
        new = wish(payer=payer)
        made = make_proposal(new).proposal
        other = replace(new, payload={**new.payload, "amount": AMOUNT + 1})
        before = footprint(payer)
        with pytest.raises(ProposalConflict):
            make_proposal(other)
        assert footprint(payer) == before
        approve(made)
        with pytest.raises(ProposalConflict):
            make_proposal(other)
        assert balance(payer) == AMOUNT

    @pytest.mark.parametrize("end", [refuse_proposal, withdraw_proposal])
    def test_a_reference_is_free_again_after_a_no(self, payer, end):
        new = wish(payer=payer)
        made = make_proposal(new).proposal
        who = made.maker if end is withdraw_proposal else operator()
        end(proposal_no=made.proposal_no, operator=who, reason="typing mistake")
        again = make_proposal(new)
        assert (again.repeated, again.proposal.status) == (False, "OPEN")

    def test_a_reference_that_was_posted_without_a_proposal_is_refused(self, payer):
        new = wish(payer=payer)
        with transaction.atomic():
            ledger.post_journal(draft=ledger.build_top_up(**new.payload))
        with pytest.raises(ProposalConflict):
            make_proposal(new)
        assert footprint(payer)[0] == []

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"amount": 0}, InvalidRequest),
            ({"amount": 10**12}, InvalidRequest),
            ({"currency": "XXX"}, InvalidRequest),
            ({"reference": " "}, InvalidRequest),
            ({"reference": "a\nb"}, InvalidRequest),
            ({"reference": "x" * 129}, InvalidRequest),
            ({"payer": "pyr_x"}, NotFound),
        ],
        ids=str,
    )
    def test_what_cannot_be_done_cannot_be_proposed(self, payer, change, error):
        new = wish(**{"payer": payer} | change)
        for refuse in (make_proposal, preview_proposal):
            with pytest.raises(error):
                refuse(new)
        assert not Proposal.objects.filter(maker=new.operator).exists()

    def test_only_active_operators_with_a_reason_propose_known_kinds(self, payer):
        gone = User.objects.create_user(
            username=numbers.new_number("op"), is_staff=True, is_active=False
        )
        customer = User.objects.create_user(username=numbers.new_number("op"))
        new = wish(payer=payer)
        for name in (gone.username, customer.username, "nobody"):
            with pytest.raises(PermissionRefused):
                make_proposal(replace(new, operator=name))
        for change in ({"reason": " "}, {"kind": "steal"}):
            with pytest.raises(InvalidRequest):
                make_proposal(replace(new, **change))
        assert footprint(payer)[0] == []

    def test_a_look_ahead_writes_nothing(self, payer):
        new = wish(payer=payer)
        sealed = preview_proposal(new)
        assert footprint(payer)[0] == []
        assert make_proposal(new).proposal.preview_hash == sealed.preview_hash


class TestApproval:
    def test_a_second_person_approves_and_it_is_done_in_that_moment(self, payer):
        made, checker = proposed(payer=payer), operator()
        done = approve(made, checker=checker).proposal
        assert (done.status, done.checker, balance(payer)) == ("APPROVED", checker, AMOUNT)
        assert done.decision_reason == "seen the bank's statement"
        journal = ledger.get_journal(journal_no=done.result or "")
        assert (journal.event_type, journal.event_id) == ("top_up", made.reference)
        assert moves(made) == [("", "OPEN", "operator"), ("OPEN", "APPROVED", "operator")]
        line = AuditLog.objects.get(object_no=made.proposal_no, action="approve_proposal")
        assert (line.operator, line.after["result"]) == (checker, done.result)

    def test_approving_again_changes_nothing(self, payer):
        made, checker = proposed(payer=payer), operator()
        approve(made, checker=checker)
        before = footprint(payer)
        assert approve(made, checker=checker).repeated
        with pytest.raises(ProposalNotOpen):
            approve(made)
        with pytest.raises(ProposalChanged):
            approve(made, checker=checker, preview_hash="0" * 64)
        assert footprint(payer) == before

    def test_a_dry_run_checks_and_does_nothing(self, payer):
        made = proposed(payer=payer)
        before = footprint(payer)
        assert approve(made, dry_run=True).proposal.status == "OPEN"
        for changes in ({"preview_hash": "0" * 64}, {"checker": made.maker}):
            with pytest.raises((ProposalChanged, SecondPersonRequired)):
                approve(made, dry_run=True, **changes)
        assert footprint(payer) == before

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"preview_hash": "0" * 64}, ProposalChanged),
            ({"preview_hash": ""}, ProposalChanged),
            ({"checker": "nobody"}, PermissionRefused),
            ({"reason": " "}, InvalidRequest),
            ({"proposal_no": "prp_x"}, NotFound),
        ],
        ids=str,
    )
    def test_a_refusal_changes_nothing(self, payer, changes, error):
        made = proposed(payer=payer)
        before = footprint(payer)
        with pytest.raises(error):
            approve(made, **changes)
        assert footprint(payer) == before

    def test_the_maker_cannot_decide(self, payer):
        made = proposed(payer=payer)
        before = footprint(payer)
        with pytest.raises(SecondPersonRequired):
            approve(made, checker=made.maker)
        with pytest.raises(SecondPersonRequired):
            refuse_proposal(proposal_no=made.proposal_no, operator=made.maker, reason="mine")
        assert footprint(payer) == before

    def test_only_the_maker_withdraws(self, payer):
        made = proposed(payer=payer)
        before = footprint(payer)
        with pytest.raises(PermissionRefused):
            withdraw_proposal(proposal_no=made.proposal_no, operator=operator(), reason="x")
        assert footprint(payer) == before
        gone = withdraw_proposal(proposal_no=made.proposal_no, operator=made.maker, reason="x")
        assert (gone.proposal.status, gone.proposal.checker) == ("WITHDRAWN", None)
        assert moves(made)[-1] == ("OPEN", "WITHDRAWN", "operator")

    def test_what_is_refused_stays_refused(self, payer):
        made = proposed(payer=payer)
        done = refuse_proposal(proposal_no=made.proposal_no, operator=operator(), reason="why?")
        assert (done.proposal.status, done.proposal.decision_reason) == ("REFUSED", "why?")
        before = footprint(payer)
        for end in (refuse_proposal, withdraw_proposal):
            with pytest.raises(ProposalNotOpen):
                end(proposal_no=made.proposal_no, operator=made.maker, reason="x")
        with pytest.raises(ProposalNotOpen):
            approve(made)
        assert footprint(payer) == before
        assert balance(payer) == 0


@pytest.fixture
def pay_out(monkeypatch) -> Iterator[ProposalKind]:
    """A kind whose preview depends on what there is: the whole balance goes back to the bank."""

    def draft(payload: Payload) -> Any:
        account = ledger.payer_balance(payer_no=payload["payer_no"], currency="CNY")
        drawn = ledger.build_top_up(
            reference=payload["reference"],
            payer_no=payload["payer_no"],
            currency="CNY",
            amount=ledger.get_balance(account_code=account).balance,
        )
        (posting,) = drawn.postings
        back = replace(posting, debit=posting.credit, credit=posting.debit)
        return replace(drawn, event_type="test_pay_out", postings=(back,))

    def execute(payload: Payload, approval: Approval) -> str:
        return ledger.post_journal(draft=draft(payload))

    kind = ProposalKind(
        name="test_pay_out",
        title="Pay out",
        subject_of=lambda payload: payload["payer_no"],
        reference_of=lambda payload: payload["reference"],
        build_preview=lambda payload: Preview(preview_journal(draft(payload))),
        execute=execute,
    )
    monkeypatch.setitem(KINDS, kind.name, kind)
    about = ContentType.objects.get_for_model(Proposal)
    rights = [
        Permission.objects.create(content_type=about, codename=f"{verb}_{kind.name}", name=verb)
        for verb in ("propose", "approve")
    ]
    Group.objects.get(name=Role.ACCOUNTANT).permissions.add(*rights)
    yield kind
    for right in rights:
        right.delete()


class TestChanged:
    def proposed(self, payer: str, kind: ProposalKind) -> ProposalView:
        return make_proposal(replace(wish(payer=payer), kind=kind.name)).proposal

    def test_what_would_do_something_else_now_is_refused(self, pay_out, monkeypatch):
        def never(payload: Payload, approval: Approval) -> str:
            raise AssertionError

        payer = make_payer(balance=1_000)
        monkeypatch.setitem(KINDS, pay_out.name, replace(pay_out, execute=never))
        made = self.proposed(payer, pay_out)
        approve(proposed(payer=payer))
        before = footprint(payer)
        with pytest.raises(ProposalChanged):
            approve(made)
        assert footprint(payer) == before
        assert balance(payer) == 1_000 + AMOUNT

    def test_what_is_the_same_again_is_done(self, pay_out):
        payer = make_payer(balance=1_000)
        made = self.proposed(payer, pay_out)
        assert approve(made).proposal.status == "APPROVED"
        assert balance(payer) == 0

    def test_an_executor_that_posts_something_else_is_undone(self, pay_out, monkeypatch):
        def cheat(payload: Payload, approval: Approval) -> str:
            drawn = ledger.build_top_up(**wish(payer=payload["payer_no"]).payload)
            return ledger.post_journal(draft=drawn)

        payer = make_payer(balance=1_000)
        monkeypatch.setitem(KINDS, pay_out.name, replace(pay_out, execute=cheat))
        made = self.proposed(payer, pay_out)
        before = footprint(payer)
        with pytest.raises(ProposalChanged):
            approve(made)
        assert footprint(payer) == before

    def test_an_executor_that_is_refused_leaves_the_proposal_open(self, pay_out, monkeypatch):
        def fail(payload: Payload, approval: Approval) -> str:
            ledger.post_journal(draft=ledger.build_top_up(**wish(payer=payer).payload))
            raise InsufficientBalance

        payer = make_payer(balance=1_000)
        monkeypatch.setitem(KINDS, pay_out.name, replace(pay_out, execute=fail))
        made = self.proposed(payer, pay_out)
        before = footprint(payer)
        with pytest.raises(InsufficientBalance):
            approve(made)
        assert footprint(payer) == before

    def test_an_executor_knows_who_agreed(self, pay_out, monkeypatch):
        seen: list[Approval] = []

        def note(payload: Payload, approval: Approval) -> str:
            seen.append(approval)
            return pay_out.execute(payload, approval)

        payer = make_payer(balance=1_000)
        monkeypatch.setitem(KINDS, pay_out.name, replace(pay_out, execute=note))
        made = self.proposed(payer, pay_out)
        done = approve(made).proposal
        expected = {"proposal_no": made.proposal_no, "maker": made.maker, "checker": done.checker}
        assert [asdict(approval) for approval in seen] == [
            expected | {"reason": done.decision_reason}
        ]


class TestTime:
    def test_what_nobody_decides_expires(self, payer, clock):
        made, young = proposed(payer=payer), None
        clock.advance(WEEK_S - 60)
        young = proposed(payer=payer)
        clock.advance(61)
        before = footprint(payer)
        for decide in (
            lambda: approve(made),
            lambda: refuse_proposal(
                proposal_no=made.proposal_no, operator=operator(), reason="late"
            ),
        ):
            with pytest.raises(ProposalNotOpen):
                decide()
        assert footprint(payer) == before
        expire_due_proposals_task()
        ended = get_proposal(proposal_no=made.proposal_no)
        assert (ended.status, ended.checker, balance(payer)) == ("EXPIRED", None, 0)
        assert moves(made)[-1] == ("OPEN", "EXPIRED", "expiry")
        assert get_proposal(proposal_no=young.proposal_no).status == "OPEN"
        assert expire_due_proposals(limit=10) == 0

    def test_a_kind_that_is_no_more_still_ends(self, payer, clock, pay_out, monkeypatch):
        made = make_proposal(replace(wish(payer=payer), kind=pay_out.name)).proposal
        refused = make_proposal(replace(wish(payer=payer), kind=pay_out.name)).proposal
        monkeypatch.delitem(KINDS, pay_out.name)
        with pytest.raises(InvalidRequest):
            approve(refused)
        refuse_proposal(proposal_no=refused.proposal_no, operator=operator(), reason="gone")
        clock.advance(WEEK_S + 1)
        expire_due_proposals_task()
        ended = [get_proposal(proposal_no=row.proposal_no).status for row in (made, refused)]
        assert ended == ["EXPIRED", "REFUSED"]

    def test_a_wish_takes_the_place_of_an_expired_one(self, payer, clock):
        new = wish(payer=payer)
        old = make_proposal(new).proposal
        clock.advance(WEEK_S + 1)
        again = make_proposal(new)
        assert (again.repeated, again.proposal.status) == (False, "OPEN")
        assert get_proposal(proposal_no=old.proposal_no).status == "EXPIRED"

    def test_the_sweep_takes_no_more_than_it_is_told(self, payer, clock):
        for _ in range(3):
            proposed(payer=payer)
        clock.advance(WEEK_S + 1)
        assert expire_due_proposals(limit=2) == 2
        while expire_due_proposals(limit=50):
            pass
        statuses = Proposal.objects.filter(subject_no=payer).values_list("status", flat=True)
        assert list(statuses) == ["EXPIRED"] * 3


class TestRaces:
    @pytest.mark.parametrize("seed", range(3))
    def test_many_checkers_at_once_execute_once(self, payer, seed):
        made = proposed(payer=payer)
        checkers = [operator() for _ in range(8)]
        outcomes = run_together(
            [lambda who=who: approve(made, checker=who) for who in checkers]  # type: ignore[misc]
        )
        refused = failures(outcomes)
        assert [type(error) for error in refused] == [ProposalNotOpen] * 7
        assert balance(payer) == AMOUNT
        assert len(moves(made)) == 2
        assert AuditLog.objects.filter(object_no=made.proposal_no).count() == 2

    def test_a_yes_and_a_no_at_once_are_one_of_them(self, payer):
        made = proposed(payer=payer)
        outcomes = run_together(
            [
                lambda: approve(made),
                lambda: refuse_proposal(
                    proposal_no=made.proposal_no, operator=operator(), reason="no"
                ),
                lambda: withdraw_proposal(
                    proposal_no=made.proposal_no, operator=made.maker, reason="no"
                ),
            ]
        )
        assert [type(error) for error in failures(outcomes)] == [ProposalNotOpen] * 2
        status = get_proposal(proposal_no=made.proposal_no).status
        assert balance(payer) == (AMOUNT if status == "APPROVED" else 0)

    def test_one_wish_made_many_times_at_once_is_one_proposal(self, payer):
        new = wish(payer=payer)
        outcomes = run_together([lambda: make_proposal(new)] * 8)
        assert failures(outcomes) == []
        assert len({outcome.proposal.proposal_no for outcome in outcomes}) == 1
        assert sorted(outcome.repeated for outcome in outcomes) == [False] + [True] * 7
        assert len(footprint(payer)[1]) == 1


class TestDatabase:
    """What the code never does, the database refuses as well."""

    def refuses(self, made: ProposalView, assignment: str) -> None:
        before = footprint(made.subject_no)
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE console_proposal SET {assignment} WHERE proposal_no = %s",
                [made.proposal_no],
            )
        assert footprint(made.subject_no) == before

    def test_one_person_is_not_two(self, payer):
        self.refuses(
            proposed(payer=payer),
            "status = 'APPROVED', checker = maker, decided_at = now(), decision_reason = 'x', result = 'x'",
        )

    @pytest.mark.parametrize(
        "assignment",
        [
            "payload = '{}'",
            "preview = '{}'",
            "preview_hash = repeat('0', 64)",
            "maker = 'somebody'",
            "reason = 'other'",
            "reference = 'other'",
            "expires_at = expires_at + interval '1 day'",
            "status = 'APPROVED'",
            "checker = 'somebody'",
        ],
    )
    def test_an_open_proposal_is_frozen(self, payer, assignment):
        self.refuses(proposed(payer=payer), assignment)

    @pytest.mark.parametrize(
        "assignment", ["status = 'OPEN'", "checker = 'other'", "result = 'x'", "decided_at = now()"]
    )
    def test_a_decision_stands(self, payer, assignment):
        made = approve(proposed(payer=payer)).proposal
        self.refuses(made, assignment)

    def test_nothing_is_deleted_and_history_only_grows(self, payer, owner_connection):
        made = proposed(payer=payer)
        for statement in (
            "DELETE FROM console_proposal WHERE proposal_no = %s",
            "DELETE FROM console_transition WHERE object_no = %s",
            "UPDATE console_transition SET cause = 'x' WHERE object_no = %s",
        ):
            with pytest.raises(psycopg.Error):
                owner_connection.execute(statement, [made.proposal_no])
        assert moves(made) == [("", "OPEN", "operator")]
