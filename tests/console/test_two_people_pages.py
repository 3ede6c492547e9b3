"""What two people decide about the books, on the console's own pages: propose as one, approve as another, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from acquiring.models import Merchant, Payout, SettlementHold
from engine.models import Discrepancy
from ledger import api as ledger
from paymentplatform.console.models import AuditLog, Proposal
from paymentplatform.kernel import numbers
from paymentplatform.kernel.roles import Role
from tests.acquiring.settling import LONG, Seller, make_seller
from tests.clock import VirtualClock
from tests.console.differences import extra
from tests.console.proposals import operator
from tests.console.test_admin import act_page, log_in, page
from tests.trading import balance_of
from tests.waiting import wait_until

SUSPENSE = ("A10:sandbox:CNY", "L90:sandbox:CNY")


@dataclass
class Decision:
    """One thing that two people decide: where it is proposed, and what it changes.

    ``look`` tells how the thing itself stands: as ``waiting`` while a proposal is open, as ``done`` at the end.
    ``shown`` is what the second person must read; ``fact`` the journal that is posted.
    """

    model: Any
    key: str
    path: str
    look: Callable[[], Any]
    waiting: Any
    done: Any
    shown: tuple[str, ...]
    answers: dict[str, str] = field(default_factory=dict)
    fact: str = ""
    makers: Role = Role.ACCOUNTANT
    checkers: Role = Role.ACCOUNTANT

    @property
    def address(self) -> str:
        """The page of the act."""
        return act_page(self.model, self.key, self.path)

    def journals(self) -> int:
        """How often it is posted."""
        if not self.fact:
            return 0
        return int(ledger.find_journal(event_type=self.fact, event_id=self.key) is not None)


def _earned(clock: VirtualClock) -> tuple[Seller, str]:
    """A merchant whose payout of 10.00 waits to be sent."""
    seller = make_seller()
    seller.sell(10_00)
    clock.advance(LONG)
    # Collecting stops at the oldest transaction of the whole server: another database's may put the money off.
    (payout,) = wait_until(lambda: seller.settle().payouts, what="a payout")
    return seller, payout.payout_no


def _payout_look(seller: Seller, payout_no: str) -> Callable[[], Any]:
    return lambda: (Payout.objects.get(pk=payout_no).status, *seller.balances())


def sending_a_payout(clock: VirtualClock) -> Decision:
    seller, payout_no = _earned(clock)
    return Decision(
        Payout,
        payout_no,
        "propose-sending",
        _payout_look(seller, payout_no),
        waiting=("PROPOSED", 0, 10_00, 0),
        done=("SENT", 0, 0, 10_00),
        shown=(f"L21:{seller.number}:CNY", f"L22:{seller.number}:CNY"),
        fact="payout_sent",
    )


def _sent(clock: VirtualClock, *, answers: dict[str, str], **ends: Any) -> Decision:
    seller, payout_no = _earned(clock)
    seller.pay_out(payout_no)
    return Decision(
        Payout,
        payout_no,
        "propose-result",
        _payout_look(seller, payout_no),
        waiting=("SENT", 0, 0, 10_00),
        answers=answers,
        **ends,
    )


def a_payout_that_the_bank_made(clock: VirtualClock) -> Decision:
    return _sent(
        clock,
        answers={"bank_reference": numbers.new_number("ref")},
        done=("PAID", 0, 0, 0),
        shown=("A20:platform:CNY",),
        fact="payout_confirmed",
    )


def a_payout_that_the_bank_refused(clock: VirtualClock) -> Decision:
    return _sent(
        clock,
        answers={"failure_code": "account_closed"},
        done=("FAILED", 0, 10_00, 0),
        shown=("L21:",),
        fact="payout_failed",
    )


def a_payout_that_the_bank_gave_back(clock: VirtualClock) -> Decision:
    seller, payout_no = _earned(clock)
    seller.pay_out(payout_no)
    seller.end(payout_no, bank_reference=payout_no)
    return Decision(
        Payout,
        payout_no,
        "propose-return",
        _payout_look(seller, payout_no),
        waiting=("PAID", 0, 0, 0),
        done=("PAID", 0, 10_00, 0),
        shown=("A20:platform:CNY", f"L21:{seller.number}:CNY", "AC04"),
        answers={"bank_reference": payout_no, "return_code": "AC04"},
        fact="payout_returned",
    )


def lifting_a_hold(clock: VirtualClock) -> Decision:
    """Placed on the merchant's page, by one person."""
    seller = make_seller()
    placing = act_page(Merchant, seller.number, "place-settlement-hold")
    risk = log_in(User.objects.get(username=operator(Role.RISK)))
    assert risk.post(placing, {"order_no": "", "reason": "looks stolen"}).status_code == 302
    hold = SettlementHold.objects.get(merchant_no=seller.number)
    return Decision(
        SettlementHold,
        hold.pk,
        "propose-lifting",
        lambda: SettlementHold.objects.get(pk=hold.pk).status,
        waiting="ACTIVE",
        done="LIFTED",
        shown=(seller.number,),
        checkers=Role.RISK,
    )


def resolving_a_difference(_clock: VirtualClock) -> Decision:
    row, _day = extra()
    a10, l90 = (balance_of(code) for code in SUSPENSE)

    def look() -> Any:
        now = Discrepancy.objects.get(pk=row.pk)
        return now.status, now.resolution, *(balance_of(code) for code in SUSPENSE)

    return Decision(
        Discrepancy,
        row.pk,
        "propose-resolution",
        look,
        waiting=("PROPOSED", None, a10, l90),
        done=("RESOLVED", "WITHDRAWN", a10 - 7_77, l90 - 7_77),
        shown=SUSPENSE,
        answers={"resolution": "WITHDRAWN"},
        fact="channel_long_withdrawn",
        makers=Role.OPERATOR,
    )


DECISIONS = [
    sending_a_payout,
    a_payout_that_the_bank_made,
    a_payout_that_the_bank_refused,
    a_payout_that_the_bank_gave_back,
    lifting_a_hold,
    resolving_a_difference,
]


def member(role: Role) -> Client:
    """Somebody in this role, at the console."""
    return log_in(User.objects.get(username=operator(role)))


def propose(client: Client, it: Decision) -> Proposal:
    """Open the act's page and send its form."""
    assert client.get(it.address).status_code == 200
    sent = client.post(it.address, it.answers | {"reason": "seen the papers"})
    assert sent.status_code == 302, sent.content.decode()
    return Proposal.objects.get(reference=it.key, status="OPEN")


def read_hash(client: Client, address: str) -> str:
    """What the page of the approval seals."""
    found = re.search(
        r'name="preview_hash" value="([0-9a-f]{64})"', client.get(address).content.decode()
    )
    assert found is not None
    return found[1]


def is_waiting(it: Decision, made: Proposal) -> bool:
    """Whether the page of what it is about links the proposal, and then does not offer to propose it again."""
    shown = member(it.makers).get(page(it.model, "change", it.key)).content.decode()
    waits = page(Proposal, "change", made.pk) in shown
    assert not (waits and it.address in shown)
    return waits


@pytest.mark.parametrize("plant", DECISIONS)
def test_one_proposes_another_approves_and_it_is_done_once(clock: VirtualClock, plant: Any):
    it = plant(clock)
    maker, checker = member(it.makers), member(it.checkers)
    made = propose(maker, it)
    assert (it.look(), it.journals()) == (it.waiting, 0)
    assert is_waiting(it, made)
    assert maker.get(it.address).status_code == 302
    again = maker.post(it.address, it.answers | {"reason": "once more"}, follow=True)
    assert made.pk in again.content.decode()
    assert Proposal.objects.filter(subject_no=it.key).count() == 1
    assert (it.look(), it.journals()) == (it.waiting, 0)

    shown = checker.get(page(Proposal, "change", made.pk)).content.decode()
    assert [word for word in it.shown if word not in shown] == []
    address = act_page(Proposal, made.pk, "approve")
    answers = {"reason": "agreed", "preview_hash": read_hash(checker, address)}
    assert checker.post(address, answers).status_code == 302
    row = Proposal.objects.get(pk=made.pk)
    assert (row.status, row.maker != row.checker) == ("APPROVED", True)
    assert (it.look(), it.journals()) == (it.done, int(bool(it.fact)))
    assert AuditLog.objects.filter(object_no=made.pk, action="approve_proposal").count() == 1

    assert checker.post(address, answers).status_code == 302
    assert (it.look(), it.journals()) == (it.done, int(bool(it.fact)))
    assert not is_waiting(it, made)


@pytest.mark.parametrize("plant", DECISIONS)
def test_who_proposed_it_cannot_approve_it_and_nothing_changes(clock: VirtualClock, plant: Any):
    """Neither can somebody without the right; a refusal by another person puts it back."""
    it = plant(clock)
    before = it.look()
    both = User.objects.get(username=operator(it.makers, it.checkers))
    maker = log_in(both)
    made = propose(maker, it)
    address = act_page(Proposal, made.pk, "approve")
    assert address not in maker.get(page(Proposal, "change", made.pk)).content.decode()
    answers = {"reason": "agreed with myself", "preview_hash": made.preview_hash}
    told = maker.post(address, answers, follow=True).content.decode()
    assert "second_person_required" in told
    assert member(Role.SUPPORT).post(address, answers).status_code == 403
    assert member(Role.SUPPORT).post(it.address, it.answers | {"reason": "x"}).status_code == 403
    row = Proposal.objects.get(pk=made.pk)
    assert (row.status, row.checker or "") == ("OPEN", "")
    assert (it.look(), it.journals()) == (it.waiting, 0)

    refusing = act_page(Proposal, made.pk, "refuse")
    assert member(it.checkers).post(refusing, {"reason": "not proved"}).status_code == 302
    assert Proposal.objects.get(pk=made.pk).status == "REFUSED"
    assert (it.look(), it.journals()) == (before, 0)
