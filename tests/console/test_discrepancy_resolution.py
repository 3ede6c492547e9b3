"""Differences end by two people: one proposes a reason, the other agrees to the very journal, and it is posted once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models import Model
from django.test import Client
from django.utils.translation import override

from engine.admin.statements import tell_difference
from engine.contracts import Resolution
from engine.models import ChannelSettlement, Discrepancy, LateMoney, Statement
from engine.ports import payment_owner
from engine.statement_contracts import DiscrepancyNotOpen, ResolutionNotPossible
from ledger import api as ledger
from paymentplatform.console.contracts import ProposalConflict, SecondPersonRequired
from paymentplatform.console.models import ProofRun, Proposal
from paymentplatform.console.proposals import channel_settlement, discrepancy_resolution
from paymentplatform.console.services.proofs import take_proof
from paymentplatform.console.services.proposals import (
    NewProposal,
    approve_proposal,
    make_proposal,
    refuse_proposal,
)
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import DomainError, InvalidRequest, NotFound
from paymentplatform.kernel.roles import Role
from tests.console import trades
from tests.console.differences import a_day, bring, extra
from tests.console.proposals import approve, operator
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.makers import make_merchant
from tests.statements import Line
from tests.trading import balance_of, rows
from tests.waiting import wait_until

A10, L90, A20, X10 = "A10:sandbox:CNY", "L90:sandbox:CNY", "A20:platform:CNY", "X10:sandbox:CNY"


def wish(row: Discrepancy, resolution: Resolution, maker: str | None = None) -> NewProposal:
    return NewProposal(
        kind="discrepancy_resolution",
        payload=discrepancy_resolution.build_payload(discrepancy_no=row.pk, resolution=resolution),
        operator=maker or operator(Role.OPERATOR),
        reason="the channel has written",
    )


def state(row: Discrepancy) -> tuple[Any, ...]:
    now = Discrepancy.objects.get(pk=row.pk)
    return now.status, now.resolution, balance_of(A10), balance_of(L90)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "has 7.77 CNY more than our books: it waits in suspense (L90)."),
        ({"difference": -7_77}, "has 7.77 CNY less than our books: it waits as short (A90)."),
        ({"posted_at": None}, "Nothing of it is booked."),
        ({"kind": "PLATFORM_ONLY", "line_kind": "CHARGEBACK"}, "has lost this chargeback"),
    ],
)
def test_whoever_proposes_reads_what_waits_where(changes: dict[str, Any], told: str):
    found = {
        "kind": "CHANNEL_ONLY",
        "line_kind": "CHARGE",
        "difference": 7_77,
        "currency": "CNY",
        "posted_at": database_now(),
    }
    with override("en"):
        assert told in tell_difference(Discrepancy(**found | changes))


def test_the_second_person_agrees_to_the_journal_that_is_then_posted():
    row, _day = extra()
    a10, l90 = balance_of(A10), balance_of(L90)
    made = make_proposal(wish(row, Resolution.WITHDRAWN)).proposal
    assert made.preview["journal"]["postings"] == [
        {"debit": L90, "credit": A10, "amount": 7_77, "currency": "CNY"}
    ]
    assert state(row) == ("PROPOSED", None, a10, l90)
    for _again in range(2):
        approve(made, checker=None if _again == 0 else _checker_of(made.proposal_no))
        assert state(row) == ("RESOLVED", "WITHDRAWN", a10 - 7_77, l90 - 7_77)
    assert Discrepancy.objects.get(pk=row.pk).resolved_by == f"proposal:{made.proposal_no}"
    posted = ledger.find_journal(event_type="channel_long_withdrawn", event_id=row.pk)
    assert posted is not None


def _checker_of(proposal_no: str) -> str:
    return str(Proposal.objects.get(pk=proposal_no).checker)


def test_nobody_resolves_alone_and_a_refusal_opens_it_again():
    row, _day = extra()
    maker = operator(Role.ACCOUNTANT)
    made = make_proposal(wish(row, Resolution.WITHDRAWN, maker)).proposal
    before = state(row)
    with pytest.raises(SecondPersonRequired):
        approve(made, checker=maker)
    assert state(row) == before
    refuse_proposal(proposal_no=made.proposal_no, operator=operator(), reason="not proved")
    assert state(row) == ("OPEN", *before[1:])
    other = make_proposal(wish(row, Resolution.WITHDRAWN)).proposal
    assert other.proposal_no != made.proposal_no


def test_what_a_newer_file_settles_cannot_be_approved_any_more():
    row, day = extra()
    made = make_proposal(wish(row, Resolution.WITHDRAWN)).proposal
    bring(day)
    before = state(row)
    assert before[:2] == ("RESOLVED", "FILE_CORRECTED")
    with pytest.raises(DiscrepancyNotOpen):
        approve(made)
    assert state(row) == before


@pytest.mark.parametrize(
    ("resolution", "error"),
    [
        (Resolution.WRITTEN_OFF, ResolutionNotPossible),
        (Resolution.BOOKED_SINCE, InvalidRequest),
        ("NONSENSE", InvalidRequest),
    ],
)
def test_a_reason_that_does_not_fit_is_not_even_proposed(resolution: Any, error: type[DomainError]):
    row, _day = extra()
    before = state(row)
    made = wish(row, Resolution.WITHDRAWN)
    payload = dict(made.payload) | {"resolution": str(getattr(resolution, "value", resolution))}
    with pytest.raises(error):
        make_proposal(NewProposal(made.kind, payload, made.operator, made.reason))
    assert state(row) == before


def test_two_approvals_at_once_post_one_journal():
    row, _day = extra()
    a10, l90 = balance_of(A10), balance_of(L90)
    made = make_proposal(wish(row, Resolution.WITHDRAWN)).proposal
    checkers = [operator(), operator()]
    start, refused = threading.Barrier(2), []

    def agree(checker: str) -> None:
        try:
            start.wait()
            approve_proposal(
                proposal_no=made.proposal_no,
                operator=checker,
                preview_hash=made.preview_hash,
                reason="seen",
            )
        except DomainError as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=agree, args=[checker]) for checker in checkers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["proposal_not_open"]
    assert state(row) == ("RESOLVED", "WITHDRAWN", a10 - 7_77, l90 - 7_77)


class TestSettlementOfAChannel:
    """What a channel paid into our bank account, net of its cost, once a reference."""

    def wish(self, **changes: Any) -> NewProposal:
        payload = channel_settlement.build_payload(
            channel_code="sandbox",
            currency="CNY",
            gross=10_00,
            cost=6,
            reference=numbers.new_number("ref"),
        )
        return NewProposal("channel_settlement", payload | changes, operator(), "bank statement")

    def test_it_is_booked_net_of_cost_and_only_once(self):
        before = [balance_of(code) for code in (A10, A20, X10)]
        made = make_proposal(self.wish()).proposal
        done = approve(made).proposal
        after = [balance_of(code) - was for code, was in zip((A10, A20, X10), before, strict=True)]
        assert after == [-10_00, 9_94, 6]
        row = ChannelSettlement.objects.get(settlement_no=done.result)
        assert (row.gross, row.cost, row.decided_by) == (10_00, 6, f"proposal:{made.proposal_no}")
        with pytest.raises(ProposalConflict):
            make_proposal(self.wish(reference=made.payload["reference"], gross=11_00))

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"channel_code": "nobody"}, NotFound),
            ({"currency": "XXX"}, InvalidRequest),
            ({"gross": 0}, InvalidRequest),
            ({"cost": 10_01}, InvalidRequest),
            ({"cost": -1}, InvalidRequest),
            ({"reference": "two words"}, InvalidRequest),
        ],
    )
    def test_what_cannot_be_is_refused(self, changes: dict[str, Any], error: type[DomainError]):
        before = (Proposal.objects.count(), balance_of(A10))
        with pytest.raises(error):
            make_proposal(self.wish(**changes))
        assert (Proposal.objects.count(), balance_of(A10)) == before


class TestPages:
    """What an accountant sees and presses."""

    def test_a_difference_is_shown_and_a_resolution_proposed(self):
        row, _day = extra()
        client = log_in(
            operator_with(
                "engine.view_discrepancy",
                "engine.view_statement",
                "console.propose_discrepancy_resolution",
            )
        )
        shown = client.get(page(Discrepancy, "change", row.pk)).content.decode()
        assert "CHANNEL_ONLY" in shown
        assert "7.77" in shown
        assert "渠道长款" in shown
        assert client.get(page(Discrepancy, "changelist")).status_code == 200
        statement = client.get(page(Statement, "change", row.statement_no))
        assert row.pk in statement.content.decode()
        address = act_page(Discrepancy, row.pk, "propose-resolution")
        form = client.get(address).content.decode()
        assert "L90" in form
        assert re.findall(r'<option value="(\w+)"', form) == ["WITHDRAWN"]
        before = state(row)
        for unfit in ("WRITTEN_OFF", "BOOKED_SINCE", "NONSENSE"):
            asked = client.post(address, {"resolution": unfit, "reason": "written"})
            assert (asked.status_code, state(row)) == (200, before)
        assert not Proposal.objects.filter(reference=row.pk).exists()
        client.post(address, {"resolution": "WITHDRAWN", "reason": "written"})
        assert state(row)[0] == "PROPOSED"
        again = client.get(page(Discrepancy, "change", row.pk)).content.decode()
        assert "propose-resolution" in shown
        assert "propose-resolution" not in again, "a second proposal is offered while one waits"
        proposal = Proposal.objects.get(reference=row.pk)
        assert proposal.payload["resolution"] == "WITHDRAWN"
        checker = log_in(operator_with("console.view_proposal"))
        judged = checker.get(page(Proposal, "change", proposal.pk)).content.decode()
        assert "777 CNY" not in judged, "the second person reads minor units as whole ones"
        assert judged.count("7.77 CNY") >= 2

    def test_proofs_are_kept_and_shown(self):
        proof_no, proof = take_proof()
        kept = ProofRun.objects.get(proof_no=proof_no)
        assert kept.violation_count == len(proof.violations)
        assert {entry["number"] for entry in kept.invariants} == set(range(1, 16))
        client: Client = log_in(operator_with("console.view_proofrun"))
        english = {"Accept-Language": "en"}
        shown = client.get(page(ProofRun, "change", proof_no), headers=english).content.decode()
        assert "Suspense is the open late money" in shown
        assert client.get(page(ProofRun, "changelist")).status_code == 200


def _pulled_back() -> tuple[str, Discrepancy]:
    """A difference about a chargeback, and its order."""
    trade, name = trades.paid_by_channel(), numbers.new_number("trd")
    bring(a_day(), Line(name, trade.attempt, 6_00, kind="CHARGEBACK", fee=0))
    return trade.order, Discrepancy.objects.get(match_key=name)


def _held_late_money() -> tuple[str, LateMoney]:
    """Late money that waits for people, and its order."""
    trade = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
    return trade.order, LateMoney.objects.get(attempt_no=trade.attempt)


@pytest.mark.parametrize(
    ("make", "kind", "path", "wished"),
    [
        (
            _pulled_back,
            "discrepancy_resolution",
            "propose-resolution",
            {"resolution": "WRITTEN_OFF"},
        ),
        (_held_late_money, "late_money_decision", "propose-decision", {"decision": "REFUND"}),
    ],
    ids=["chargeback", "late-money"],
)
def test_a_page_locks_the_order_before_the_row(
    make: Callable[[], tuple[str, Model]], kind: str, path: str, wished: dict[str, str]
):
    """Whoever holds the order gets the row, too: the page that waits for the order does not keep it from him."""
    order, row = make()
    maker = log_in(operator_with(f"console.propose_{kind}", *_may_view(row)))
    answers: list[int] = []

    def press() -> None:
        try:
            address = act_page(type(row), row.pk, path)
            answers.append(maker.post(address, wished | {"reason": "why"}).status_code)
        finally:
            connections.close_all()

    thread = threading.Thread(target=press)
    with transaction.atomic():
        payment_owner().lock_owner(order_no=order)
        thread.start()
        wait_until(lambda: _somebody_waits() or not thread.is_alive(), what="the page waits")
        assert thread.is_alive()
        assert type(row)._default_manager.select_for_update(nowait=True).get(pk=row.pk)
    thread.join()
    assert answers == [302]
    assert Proposal.objects.filter(kind=kind, reference=row.pk, status="OPEN").count() == 1


def _may_view(row: Model) -> list[str]:
    return [f"engine.view_{row._meta.model_name}"]


def _somebody_waits() -> bool:
    """Whether another connection waits for what this transaction has locked."""
    (found,) = rows(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))) AS waits"
    )
    return bool(found["waits"])
