"""Holds: money set aside, captured or given back, once."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from ledger import api
from ledger.contracts import HoldNotFound, HoldNotOpen, HoldStatus, InsufficientBalance
from ledger.states import HOLD
from tests.ledger.books import Books, fresh, query


@pytest.fixture
def books() -> Books:
    return Books().funded(1_000)


def capture(books: Books, hold_no: str, amount: int, event_id: str | None = None) -> str:
    return books.post(
        (books.payer, books.pending, amount),
        event=("test_capture", event_id or fresh()),
        holds=(hold_no,),
    )


def held(books: Books) -> tuple[int, int]:
    view = api.get_balance(account_code=books.payer)
    return view.balance, view.held


def test_the_contract_names_the_states_of_the_machine():
    assert set(HoldStatus) == set(HOLD.states)


class TestPlaceHold:
    def test_sets_money_aside_without_moving_it(self, books):
        books.hold(400)
        assert held(books) == (1_000, 400)

    def test_refuses_more_than_is_free_and_writes_nothing(self, books):
        books.hold(400)
        before = books.state()
        with pytest.raises(InsufficientBalance):
            books.hold(601)
        assert books.state() == before

    def test_an_unknown_payer_has_nothing(self):
        books = Books()
        with pytest.raises(InsufficientBalance):
            books.hold(1)
        assert books.state()["accounts"] == []

    @pytest.mark.parametrize("amount", [1_000, 400])
    def test_the_same_hold_again_changes_nothing(self, books, amount):
        """Whether or not there would be money for a second one."""
        hold_no = books.hold(amount)
        before = books.state()
        books.hold(amount, hold_no=hold_no)
        assert books.state() == before

    def test_the_same_hold_again_after_its_money_was_spent(self, books):
        hold_no = books.hold(1_000)
        capture(books, hold_no, 1_000)
        before = books.state()
        books.hold(1_000, hold_no=hold_no)
        assert books.state() == before

    def test_the_number_for_something_else_is_a_broken_invariant(self, books):
        hold_no = books.hold(400)
        before = books.state()
        with pytest.raises(DatabaseError):
            books.hold(401, hold_no=hold_no)
        assert books.state() == before

    @pytest.mark.parametrize("amount", [0, -1])
    def test_nothing_and_less_cannot_be_held(self, books, amount):
        with pytest.raises(DatabaseError):
            books.hold(amount)
        assert held(books) == (1_000, 0)


class TestCapture:
    def test_takes_the_money_out_of_the_hold(self, books):
        hold_no = books.hold(1_000)
        journal_no = capture(books, hold_no, 1_000)
        assert held(books) == (0, 0)
        assert query(
            "SELECT status, journal_no, resolved_at IS NOT NULL FROM ledger_hold WHERE hold_no = %s",
            hold_no,
        ) == [("CAPTURED", journal_no, True)]

    def test_twice_for_one_event_is_once(self, books):
        hold_no, event_id = books.hold(400), fresh()
        books.hold(600)
        first = capture(books, hold_no, 400, event_id)
        before = books.state()
        assert capture(books, hold_no, 400, event_id) == first
        assert books.state() == before

    def test_for_another_event_is_refused(self, books):
        hold_no = books.hold(400)
        books.hold(500)
        capture(books, hold_no, 400)
        before = books.state()
        with pytest.raises(HoldNotOpen):
            capture(books, hold_no, 400)
        assert books.state() == before

    @pytest.mark.parametrize("amount", [399, 401])
    def test_takes_all_of_it_or_nothing(self, books, amount):
        hold_no = books.hold(400)
        before = books.state()
        with pytest.raises(DatabaseError):
            capture(books, hold_no, amount)
        assert books.state() == before

    def test_of_somebody_elses_hold_is_refused(self, books):
        hold_no = Books().funded(400).hold(400)
        before = books.state()
        with pytest.raises(DatabaseError):
            capture(books, hold_no, 400)
        assert books.state() == before

    def test_of_no_hold_is_refused(self, books):
        before = books.state()
        with pytest.raises(HoldNotFound):
            capture(books, "hld_0", 400)
        assert books.state() == before


class TestReleaseHold:
    def test_frees_the_money_once(self, books):
        hold_no = books.hold(400)
        assert books.release(hold_no) is True
        assert books.release(hold_no) is False
        assert held(books) == (1_000, 0)

    def test_a_captured_hold_stays_captured(self, books):
        hold_no = books.hold(400)
        capture(books, hold_no, 400)
        before = books.state()
        with pytest.raises(HoldNotOpen):
            books.release(hold_no)
        assert books.state() == before

    def test_an_unknown_hold_has_a_name_of_its_own(self, books):
        with pytest.raises(HoldNotFound):
            books.release("hld_0")

    def test_every_move_has_its_event(self, books):
        released, captured = books.hold(1, reference="pdt_1"), books.hold(2)
        books.release(released)
        journal_no = capture(books, captured, 2)
        moves = query(
            "SELECT object_no, from_status, to_status, cause FROM ledger_transition "
            "WHERE object_no = ANY(%s) ORDER BY object_no, id",
            sorted([released, captured]),
        )
        expected = [
            (released, "", "OPEN", "pdt_1"),
            (released, "OPEN", "RELEASED", ""),
            (captured, "", "OPEN", "test"),
            (captured, "OPEN", "CAPTURED", journal_no),
        ]
        assert moves == sorted(expected, key=lambda move: move[0])


@pytest.mark.parametrize(
    "arrays",
    [
        "p_holds => ARRAY[NULL, %s]",
        "p_holds => ARRAY[ARRAY[%s]]",
        "p_holds => '[0:0]={{x}}'::text[] || ARRAY[%s]",
        "p_spend => ARRAY[true, false], p_holds => ARRAY[%s]",
    ],
)
def test_a_journal_cannot_capture_a_hold_that_no_posting_names(books: Books, arrays: str):
    hold_no = fresh("hld")
    payer = f"L10:{fresh('pyr')}:CNY"
    query(
        "SELECT ledger_post(%s, 'top_up', %s, current_date, 'CNY', ARRAY['A20:platform:CNY'], "
        "ARRAY[%s], ARRAY[10000::bigint])",
        fresh("jnl"),
        fresh(),
        payer,
    )
    query("SELECT ledger_hold(%s, %s, 5000, 'test')", hold_no, payer)

    with pytest.raises(DatabaseError):
        query(
            "SELECT ledger_post(%s, 'late_money', %s, current_date, 'CNY', ARRAY['A10:sandbox:CNY'], "
            f"ARRAY['L90:sandbox:CNY'], ARRAY[1::bigint], {arrays.replace('{{x}}', '{x}')})",
            fresh("jnl"),
            fresh(),
            hold_no,
        )

    assert query("SELECT status FROM ledger_hold WHERE hold_no = %s", hold_no) == [("OPEN",)]


def test_a_journal_needs_a_real_date(books: Books):
    with pytest.raises(DatabaseError):
        query(
            "SELECT ledger_post(%s, 'late_money', %s, 'infinity', 'CNY', ARRAY['A10:sandbox:CNY'], "
            "ARRAY['L90:sandbox:CNY'], ARRAY[1::bigint])",
            fresh("jnl"),
            fresh(),
        )
