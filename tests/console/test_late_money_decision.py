"""Late money that waits for people, and cases: two operators decide, and exactly what was shown is done."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from engine import api as engine
from engine.channels.base import ChannelAnswer
from engine.contracts import (
    CaseNotOpen,
    CaseStillNeeded,
    Cause,
    HeldDecision,
    LateMoneyNotOpen,
    Resolution,
)
from engine.late_money import LateMoneyNotHeld, LateMoneyNotRefundable, LateMoneyPulledBack
from engine.models import Case, Discrepancy, LateMoney
from engine.services.late_money_settling import settle_due_late_money
from engine.services.refund_outcomes import apply_refund_outcome
from paymentplatform.console.contracts import (
    ProposalChanged,
    ProposalView,
    SecondPersonRequired,
)
from paymentplatform.console.proposals import case_resolution, late_money_decision
from paymentplatform.console.services.proposals import (
    NewProposal,
    expire_due_proposals,
    make_proposal,
    refuse_proposal,
    withdraw_proposal,
)
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from tests.clock import VirtualClock
from tests.console import trades
from tests.console.differences import a_day, bring
from tests.console.proposals import approve, operator
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.makers import make_merchant
from tests.statements import Line
from tests.trading import balance_of, rows

SUSPENSE, TRANSIT = "L90:sandbox:CNY", "L30:sandbox:CNY"


@pytest.fixture
def held() -> trades.Trade:
    """Late money of 10.00 CNY that waits for people."""
    return trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))


def late_of(trade: trades.Trade) -> LateMoney:
    return LateMoney.objects.get(attempt_no=trade.attempt)


def case_of(number: str) -> Case:
    return Case.objects.get(object_no=number)


def proposed(trade: trades.Trade, decision: str, *, maker: str | None = None) -> ProposalView:
    payload = late_money_decision.build_payload(
        late_money_no=late_of(trade).late_money_no, decision=HeldDecision(decision)
    )
    return propose("late_money_decision", payload, maker=maker)


def events_of(number: str) -> list[dict[str, Any]]:
    """What its merchant is told of its end."""
    return rows(
        "SELECT * FROM acquiring_merchant_event WHERE object_no = %s AND type = 'late_money.resolved'",
        number,
    )


def propose(kind: str, payload: dict[str, Any], *, maker: str | None = None) -> ProposalView:
    return make_proposal(NewProposal(kind, payload, maker or operator(), "because")).proposal


def state(trade: trades.Trade) -> tuple[Any, ...]:
    late = late_of(trade)
    return (
        late.status,
        late.decided_by,
        case_of(late.late_money_no).status,
        balance_of(SUSPENSE),
        balance_of(TRANSIT),
        balance_of(f"L20:{trade.merchant['merchant_no']}:CNY"),
        rows("SELECT * FROM engine_refund WHERE late_money_no = %s", late.late_money_no),
    )


class TestDecision:
    def test_to_honour_shows_and_posts_the_exact_journal(self, held):
        before = balance_of(SUSPENSE)
        merchant_no = held.merchant["merchant_no"]
        made = proposed(held, "HONOUR")
        assert made.preview["journal"]["postings"] == [
            {
                "debit": SUSPENSE,
                "credit": f"L20:{merchant_no}:CNY",
                "amount": 10_00,
                "currency": "CNY",
            },
            {
                "debit": f"L20:{merchant_no}:CNY",
                "credit": "I10:platform:CNY",
                "amount": 6,
                "currency": "CNY",
            },
        ]
        assert late_of(held).status == "OPEN"
        assert case_of(late_of(held).late_money_no).status == "PROPOSED"

        done = approve(made).proposal

        late = late_of(held)
        assert (done.status, late.status) == ("APPROVED", "HONOURED")
        assert late.decided_by == f"proposal:{made.proposal_no}"
        assert case_of(late.late_money_no).status == "RESOLVED"
        assert balance_of(f"L20:{merchant_no}:CNY") == 10_00 - 6
        assert balance_of(SUSPENSE) == before - 10_00

    def test_to_refund_shows_the_number_that_the_refund_will_have(self, held):
        before = balance_of(TRANSIT)
        made = proposed(held, "REFUND")
        journal = made.preview["journal"]
        assert journal["event_type"] == "late_money_refund_sent"

        done = approve(made).proposal

        late = late_of(held)
        assert (late.status, done.result) == ("REFUNDING", journal["event_id"])
        (refund,) = rows("SELECT * FROM engine_refund WHERE late_money_no = %s", late.pk)
        assert refund["refund_no"] == journal["event_id"]
        assert balance_of(TRANSIT) == before + 10_00

    def test_whose_refund_the_channel_refuses_is_open_for_another_one(self, held):
        first = approve(proposed(held, "REFUND")).proposal
        refused = ChannelAnswer(outcome=trades.Outcome.FAILED, failure_code="refund_refused")

        apply_refund_outcome(refund_no=str(first.result), answer=refused, cause=Cause.CALLBACK)

        late = late_of(held)
        assert (late.status, late.due_at) == ("OPEN", None)
        assert case_of(late.late_money_no).status == "OPEN"
        second = approve(proposed(held, "REFUND")).proposal
        assert second.result != first.result
        assert late_of(held).status == "REFUNDING"

    def test_made_before_its_chargeback_is_not_carried_out_after_it(self, held):
        """What its payer has got back is then booked against the loss, by the very journal that was shown."""
        late, wished = late_of(held), proposed(held, "HONOUR")
        name = numbers.new_number("trd")
        bring(a_day(), Line(name, held.attempt, 10_00, kind="CHARGEBACK", fee=0))
        row = Discrepancy.objects.get(match_key=name)
        with transaction.atomic():
            engine.resolve_discrepancy(
                discrepancy_no=row.pk, resolution=Resolution.WRITTEN_OFF, decided_by="proposal:x"
            )
        before = state(held)
        with pytest.raises(LateMoneyPulledBack):
            approve(wished)
        assert state(held) == before
        refuse_proposal(proposal_no=wished.proposal_no, operator=operator(), reason="pulled back")
        made = proposed(held, "PULLED_BACK")
        assert made.preview["journal"]["postings"] == [
            {"debit": SUSPENSE, "credit": "X90:platform:CNY", "amount": 10_00, "currency": "CNY"}
        ]
        suspense = balance_of(SUSPENSE)
        approve(made)
        assert balance_of(SUSPENSE) == suspense - 10_00
        assert state(held)[:3] == ("REFUNDED", f"proposal:{made.proposal_no}", "RESOLVED")
        assert len(events_of(late.late_money_no)) == 1

    def test_needs_a_second_person(self, held):
        maker = operator()
        made = proposed(held, "HONOUR", maker=maker)
        before = state(held)
        with pytest.raises(SecondPersonRequired):
            approve(made, checker=maker)
        assert state(held) == before

    @pytest.mark.parametrize("end", ["refused", "withdrawn", "expired"])
    def test_that_comes_to_nothing_leaves_the_case_open(
        self, held, end, clock: VirtualClock, settings
    ):
        maker = operator()
        before = state(held)
        made = proposed(held, "HONOUR", maker=maker)
        if end == "refused":
            refuse_proposal(proposal_no=made.proposal_no, operator=operator(), reason="no")
        elif end == "withdrawn":
            withdraw_proposal(proposal_no=made.proposal_no, operator=maker, reason="no")
        else:
            clock.advance(settings.PROPOSAL_EXPIRES_S + 1)
            while expire_due_proposals(limit=100):
                pass
        assert state(held) == before
        approve(proposed(held, "HONOUR"))
        assert late_of(held).status == "HONOURED"

    def test_cannot_be_proposed_for_what_its_policy_settles(self):
        due = trades.paid_too_late()
        late = late_of(due)
        with pytest.raises(LateMoneyNotHeld):
            proposed(due, "HONOUR")
        while settle_due_late_money():
            pass
        with pytest.raises(LateMoneyNotOpen):
            proposed(due, "HONOUR")
        assert LateMoney.objects.get(pk=late.pk).status == "REFUNDING"

    def test_to_refund_needs_a_channel_that_can(self, held, monkeypatch):
        monkeypatch.setattr("engine.services.late_money_settling.can_give_back", lambda _: False)
        before = state(held)
        with pytest.raises(LateMoneyNotRefundable):
            proposed(held, "REFUND")
        assert state(held) == before

    def test_is_one_of_two(self, held):
        payload = {"late_money_no": late_of(held).pk, "decision": "KEEP"}
        with pytest.raises(InvalidRequest):
            propose("late_money_decision", payload)

    def test_of_yesterday_does_not_do_something_else_today(self, held):
        made = proposed(held, "REFUND")
        rows(
            "INSERT INTO engine_refund (refund_no, purpose, merchant_no, late_money_no, order_no, payment_no, amount,"
            " external_amount, balance_amount, currency, reason, source, returned_fee, last_outcome, last_answer)"
            " SELECT 'rfd_x' || late_money_no, 'LATE_MONEY', merchant_no, late_money_no, order_no, payment_no, amount,"
            " amount, 0, currency, '', 'L90', 0, '', '' FROM engine_late_money WHERE late_money_no = %s RETURNING 1",
            late_of(held).pk,
        )
        rows(
            "UPDATE engine_refund SET status = 'PROCESSING' WHERE late_money_no = %s RETURNING 1",
            late_of(held).pk,
        )
        rows(
            "UPDATE engine_refund SET status = 'FAILED' WHERE late_money_no = %s RETURNING 1",
            late_of(held).pk,
        )  # somebody has tried meanwhile: the next refund has another number than was shown
        before = state(held)
        with pytest.raises(ProposalChanged):
            approve(made)
        assert state(held) == before


class TestCase:
    @pytest.fixture
    def case(self) -> Case:
        """A case that no event ends."""
        trade = trades.paying()
        trades.answered(trade, trades.Outcome.SUCCEEDED, amount=trades.AMOUNT - 1)
        return Case.objects.get(object_no=trade.attempt, kind="amount_mismatch")

    def test_is_resolved_by_two(self, case):
        made = propose("case_resolution", case_resolution.build_payload(case_no=case.pk))
        assert Case.objects.get(pk=case.pk).status == "PROPOSED"
        approve(made)
        resolved = Case.objects.get(pk=case.pk)
        assert resolved.status == "RESOLVED"
        assert resolved.resolved_at is not None
        moves = rows(
            "SELECT to_status FROM engine_transition WHERE object_no = %s ORDER BY id", case.pk
        )
        assert [move["to_status"] for move in moves] == ["PROPOSED", "RESOLVED"]
        with transaction.atomic(), pytest.raises(CaseNotOpen):
            engine.resolve_case(case_no=case.pk)

    def test_is_open_again_after_a_no(self, case):
        made = propose("case_resolution", case_resolution.build_payload(case_no=case.pk))
        refuse_proposal(proposal_no=made.proposal_no, operator=operator(), reason="no")
        assert Case.objects.get(pk=case.pk).status == "OPEN"

    def test_of_held_late_money_ends_only_with_it(self, held):
        case = case_of(late_of(held).late_money_no)
        before = state(held)
        with pytest.raises(CaseStillNeeded):
            propose("case_resolution", case_resolution.build_payload(case_no=case.pk))
        assert state(held) == before


class TestPages:
    @pytest.fixture
    def maker(self) -> User:
        return operator_with(
            "engine.view_latemoney",
            "engine.view_case",
            "console.propose_late_money_decision",
            "console.view_proposal",
        )

    def test_a_decision_is_proposed_where_the_money_is_seen(self, held, maker):
        late = late_of(held)
        client = log_in(maker)
        shown = client.get(page(LateMoney, "change", late.pk)).content.decode()
        assert "10.00 CNY" in shown
        address = act_page(LateMoney, late.pk, "propose-decision")
        assert address in shown
        assert client.post(address, {"decision": "HONOUR", "reason": ""}).status_code == 200
        assert case_of(late.pk).status == "OPEN"

        assert client.post(address, {"decision": "HONOUR", "reason": "paid"}).status_code == 302

        (proposal,) = rows("SELECT * FROM console_proposal WHERE subject_no = %s", late.pk)
        assert (proposal["maker"], proposal["status"]) == (maker.username, "OPEN")
        assert late_of(held).status == "OPEN"

    def test_nobody_proposes_without_the_right(self, held):
        late = late_of(held)
        client = log_in(operator_with("engine.view_latemoney"))
        before = state(held)
        answer = client.post(
            act_page(LateMoney, late.pk, "propose-decision"), {"decision": "HONOUR", "reason": "x"}
        )
        assert answer.status_code == 403
        assert state(held) == before

    def test_a_refused_wish_is_said_and_nothing_is_written(self, maker):
        due = late_of(trades.paid_too_late())
        address = act_page(LateMoney, due.pk, "propose-decision")
        shown = log_in(maker).get(page(LateMoney, "change", due.pk)).content.decode()
        assert address not in shown, "its policy settles it: there is nothing to decide"
        answer = log_in(maker).post(address, {"decision": "REFUND", "reason": "x"}, follow=True)
        assert "未作任何更改" in answer.content.decode()
        assert rows("SELECT 1 FROM console_proposal WHERE subject_no = %s", due.pk) == []

    def test_what_is_overdue_is_marked_and_filtered(self, held, maker, clock: VirtualClock):
        late = late_of(held)
        client = log_in(maker)
        listed = page(LateMoney, "changelist")
        query = {"q": held.merchant["merchant_no"], "overdue": "yes"}
        assert late.pk not in client.get(listed, query).content.decode()
        clock.advance(24 * 3600 + 60)
        client = log_in(maker)
        shown = client.get(listed, query).content.decode()
        assert late.pk in shown
        assert "OVERDUE" in shown

    def test_exposure_is_shown_in_major_units(self):
        rows(
            "UPDATE engine_channel_attempt SET status = 'UNKNOWN' WHERE attempt_no = %s RETURNING 1",
            trades.paying().attempt,
        )
        client = log_in(operator_with("engine.view_channelattempt"))
        shown = client.get(f"{page(trades.ChannelAttempt, 'changelist')}exposure/")
        assert shown.status_code == 200
        assert " CNY" in shown.content.decode()
        nobody = log_in(operator_with("engine.view_case"))
        assert (
            nobody.get(f"{page(trades.ChannelAttempt, 'changelist')}exposure/").status_code == 403
        )


def test_refusals_have_codes_of_their_own():
    for refusal in (LateMoneyNotHeld, LateMoneyNotOpen, LateMoneyNotRefundable, CaseStillNeeded):
        assert issubclass(refusal, DomainError)
        assert refusal.status == 409
