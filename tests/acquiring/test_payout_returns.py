"""A payout that the bank has paid and gives back: money back once, history kept, refusals change nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import InternalError, ProgrammingError, transaction

from acquiring import api as acquiring
from acquiring.models import PayoutReturn
from acquiring.settlement_contracts import PayoutNotOpen
from ledger import api as ledger
from paymentplatform.console import selectors
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import DomainError, InvalidRequest, NotFound
from tests.acquiring.settling import LONG, Seller, make_seller
from tests.barrier import failures, run_together
from tests.clock import VirtualClock
from tests.trading import balance_of, rows
from tests.waiting import wait_until

BANK = "A20:platform:CNY"


def give_back(payout_no: str, **changes: str) -> str:
    """What the approval of a proposal does."""
    given = {"bank_reference": payout_no, "return_code": "AC04", "decided_by": "proposal:x"}
    with transaction.atomic():
        return acquiring.record_payout_return(payout_no=payout_no, **given | changes)


def made(clock: VirtualClock) -> tuple[Seller, str]:
    """A merchant whose payout of 10.00 waits to be sent."""
    seller = make_seller()
    seller.sell(10_00)
    clock.advance(LONG)
    (payout,) = wait_until(lambda: seller.settle().payouts, what="a payout")
    return seller, payout.payout_no


@pytest.fixture
def paid(clock: VirtualClock) -> tuple[Seller, str]:
    """A payout of 10.00 that the bank has made under its own number."""
    seller, payout_no = made(clock)
    seller.pay_out(payout_no)
    seller.end(payout_no, bank_reference=payout_no)
    return seller, payout_no


def footprint(seller: Seller) -> tuple[Any, ...]:
    returns = rows("SELECT * FROM acquiring_payout_return ORDER BY payout_no")
    return (*seller.footprint(), returns, balance_of(BANK))


def test_its_money_is_the_merchants_again_and_is_paid_out_anew(paid: tuple[Seller, str]):
    seller, payout_no = paid
    bank, before = balance_of(BANK), seller.payouts()
    journal = ledger.get_journal(journal_no=give_back(payout_no))
    assert [(one.debit, one.credit, one.amount) for one in journal.postings] == [
        (BANK, f"L21:{seller.number}:CNY", 10_00)
    ]
    assert (seller.balances(), balance_of(BANK)) == ((0, 10_00, 0), bank + 10_00)
    assert seller.payouts() == before
    assert PayoutReturn.objects.get(pk=payout_no).decided_by == "proposal:x"
    (again,) = seller.settle().payouts
    assert (again.amount, again.payout_no != payout_no) == (10_00, True)
    seller.pay_out(again.payout_no)
    seller.end(again.payout_no, bank_reference=again.payout_no)
    assert (seller.balances(), balance_of(BANK)) == ((0, 0, 0), bank)
    ours = {payout_no, again.payout_no, seller.number}
    found = selectors.prove_invariants().violations
    assert [row for row in found if any(word in row.subject for word in ours)] == []


def test_a_second_time_is_refused_and_changes_nothing(paid: tuple[Seller, str]):
    seller, payout_no = paid
    give_back(payout_no)
    before = footprint(seller)
    for reference in (payout_no, numbers.new_number("ref")):
        with pytest.raises(PayoutNotOpen, match="was returned"):
            give_back(payout_no, bank_reference=reference)
        assert footprint(seller) == before


def test_of_many_at_once_one_is_booked(paid: tuple[Seller, str]):
    seller, payout_no = paid
    outcomes = run_together([lambda: give_back(payout_no)] * 4 + [seller.settle])
    assert [type(one) for one in failures(outcomes)] == [PayoutNotOpen] * 3
    assert seller.balances() == (0, 10_00, 0)


@pytest.mark.parametrize("state", ["CREATED", "SENT", "FAILED"])
def test_what_the_bank_has_not_paid_it_cannot_give_back(clock: VirtualClock, state: str):
    seller, payout_no = made(clock)
    if state != "CREATED":
        seller.pay_out(payout_no)
    if state == "FAILED":
        seller.end(payout_no, failure_code="account_closed")
    before = footprint(seller)
    with pytest.raises(PayoutNotOpen, match=state):
        give_back(payout_no)
    assert footprint(seller) == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bank_reference": ""}, InvalidRequest),
        ({"bank_reference": "x" * 129}, InvalidRequest),
        ({"bank_reference": "\n"}, InvalidRequest),
        ({"return_code": " "}, InvalidRequest),
        ({"payout_no": "pyo_x"}, NotFound),
    ],
    ids=str,
)
def test_odd_words_are_refused(
    paid: tuple[Seller, str], changes: dict[str, str], expected: type[DomainError]
):
    seller, payout_no = paid
    before = footprint(seller)
    with pytest.raises(expected):
        give_back(**{"payout_no": payout_no} | changes)
    assert footprint(seller) == before


def test_a_reference_is_of_one_payout(clock: VirtualClock, paid: tuple[Seller, str]):
    seller, payout_no = paid
    other, other_no = made(clock)
    other.pay_out(other_no)
    other.end(other_no, bank_reference=other_no)
    before = footprint(seller)
    with pytest.raises(InvalidRequest, match="of another payout"):
        give_back(payout_no, bank_reference=other_no)
    assert footprint(seller) == before
    give_back(other_no, bank_reference=numbers.new_number("ref"))
    before = footprint(seller)
    taken = PayoutReturn.objects.get(pk=other_no).bank_reference
    with pytest.raises(InvalidRequest, match="of another payout"):
        give_back(payout_no, bank_reference=taken)
    assert footprint(seller) == before


def test_who_fails_before_the_end_has_changed_nothing(paid: tuple[Seller, str]):
    seller, payout_no = paid
    before = footprint(seller)

    @transaction.atomic
    def die() -> None:
        give_back(payout_no)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert footprint(seller) == before
    give_back(payout_no)
    assert seller.balances() == (0, 10_00, 0)


def test_a_return_is_never_changed(paid: tuple[Seller, str], owner_connection: psycopg.Connection):
    _seller, payout_no = paid
    give_back(payout_no)
    for act in (
        lambda: PayoutReturn.objects.filter(pk=payout_no).update(return_code="x"),
        lambda: PayoutReturn.objects.filter(pk=payout_no).delete(),
    ):
        with pytest.raises((ProgrammingError, InternalError)), transaction.atomic():
            act()
    with pytest.raises(psycopg.Error, match="never change"):
        owner_connection.execute("UPDATE acquiring_payout_return SET return_code = 'x'")
