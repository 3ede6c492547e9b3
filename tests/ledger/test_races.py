"""Real threads, real connections: whoever comes at the same moment, the money is right."""

from __future__ import annotations

import random
import threading
import time

import psycopg
import pytest
from django.db import transaction

from ledger import api
from ledger.contracts import HoldNotOpen
from tests.barrier import failures, run_times, run_together
from tests.ledger.books import DAY, LONG, Books, fresh, query, reverse, succeeded

ROUNDS = 200 if LONG else 4


def deadlocks() -> int:
    """Deadlocks that the server has seen in this database."""
    with transaction.atomic():
        query("SELECT pg_stat_force_next_flush()")
    ((count,),) = query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(count)


class TestOneBalance:
    def test_64_debits_never_overdraw(self):
        for _ in range(ROUNDS):
            books = Books().funded(1_000)
            outcomes = run_times(64, lambda books=books: succeeded(books.pay, 60, fee=1))
            assert failures(outcomes) == []
            assert sum(outcomes) == 16
            assert books.balance(books.payer) == 40
            assert books.balance(books.pending) == 16 * 59

    def test_holds_and_payments_share_what_is_free(self):
        books = Books().funded(1_000)
        outcomes = run_together(
            [lambda: succeeded(books.pay, 70)] * 16 + [lambda: succeeded(books.hold, 70)] * 16
        )
        assert failures(outcomes) == []
        assert sum(outcomes) == 14
        view = api.get_balance(account_code=books.payer)
        assert view.available == 20
        assert view.held % 70 == 0

    def test_spending_a_hot_account_stops_at_zero(self):
        for _ in range(ROUNDS):
            books = Books()
            books.collect(1_000)
            racers = [lambda books=books: succeeded(books.spend, 70)] * 24
            racers += [lambda: api.roll_up_accounts(limit=100)] * 2
            outcomes = run_together(racers)
            assert failures(outcomes) == []
            assert sum(outcomes[:24]) == 14
            assert books.balance(books.pending) == 20


class TestOneEvent:
    @pytest.mark.parametrize("funds", [1_000, 100_000])
    def test_16_posts_of_one_payment_are_one_journal(self, funds):
        """Also when the money is enough for one only: the others get the first number, not a refusal."""
        for _ in range(ROUNDS):
            books, payment_no = Books().funded(funds), fresh("pay")
            numbers = run_times(
                16, lambda b=books, no=payment_no: b.pay(1_000, fee=6, payment_no=no)
            )
            assert failures(numbers) == []
            assert len(set(numbers)) == 1
            assert books.balance(books.payer) == funds - 1_000

    def test_16_top_ups_that_open_the_account(self):
        for _ in range(ROUNDS):
            books, event = Books(), ("test_top_up", fresh())
            numbers = run_times(
                16, lambda b=books, e=event: b.post((b.bank, b.payer, 500), event=e)
            )
            assert failures(numbers) == []
            assert len(set(numbers)) == 1
            assert books.balance(books.payer) == 500

    def test_16_spends_of_one_event(self):
        books, event_id = Books(), fresh()
        books.collect(100)
        numbers = run_times(16, lambda: books.spend(100, event_id=event_id))
        assert failures(numbers) == []
        assert len(set(numbers)) == 1

    def test_16_reversals_are_one(self):
        books = Books().funded(1_000)
        journal_no = books.pay(1_000, fee=6)
        numbers = run_times(16, lambda: reverse(journal_no))
        assert failures(numbers) == []
        assert len(set(numbers)) == 1
        assert books.balance(books.payer) == 1_000

    def test_16_times_the_same_hold(self):
        books, hold_no = Books().funded(100), fresh("hld")
        outcomes = run_times(16, lambda: books.hold(100, hold_no=hold_no))
        assert failures(outcomes) == []
        assert api.get_balance(account_code=books.payer).held == 100


class TestLockOrder:
    def test_transfers_both_ways_never_deadlock(self):
        pairs = [(Books().funded(100_000), Books().funded(100_000)) for _ in range(3)]
        everybody = [books for pair in pairs for books in pair]
        before = deadlocks()
        seeds = iter(range(32))

        def transfer() -> None:
            chance = random.Random(next(seeds))
            for _ in range(300 if LONG else 12):
                one, two, three = chance.sample(everybody, 3)
                one.post(
                    (one.payer, two.payer, 3),
                    (two.payer, three.payer, 2),
                    (three.payer, one.payer, 1),
                )

        assert failures(run_times(32, transfer)) == []
        assert deadlocks() == before
        assert sum(books.balance(books.payer) for books in everybody) == 600_000

    def test_journals_that_lock_payers_and_hot_accounts(self):
        """A refund to a balance debits transit under its lock and credits the payer."""
        books = [Books().funded(10_000) for _ in range(3)]
        before = deadlocks()

        def refund() -> None:
            chance = random.Random(threading.get_ident())
            for _ in range(10):
                one, two = chance.sample(books, 2)
                one.collect(5)
                one.post((one.pending, two.payer, 3), (two.payer, one.pending, 3), spend=True)

        assert failures(run_times(12, refund)) == []
        assert deadlocks() == before


class TestHoldResolution:
    def test_capture_or_release_one_wins(self):
        for _ in range(ROUNDS * 10):
            books = Books().funded(500)
            hold_no = books.hold(400)
            legs = (books.payer, books.pending, 400)
            captured, *released = run_together(
                [
                    lambda b=books, legs=legs, no=hold_no: b.post(legs, holds=(no,)),
                    lambda b=books, no=hold_no: b.release(no),
                    lambda b=books, no=hold_no: b.release(no),
                ]
            )
            view = api.get_balance(account_code=books.payer)
            if isinstance(captured, str):
                assert all(isinstance(outcome, HoldNotOpen) for outcome in released)
                assert (view.balance, view.held) == (100, 0)
            else:
                assert isinstance(captured, HoldNotOpen)
                assert sorted(released) == [False, True]
                assert (view.balance, view.held) == (500, 0)


class TestBank:
    def test_every_read_during_transfers_sees_all_the_money(self):
        """Payers and hot accounts together, roll-ups running: each snapshot has the same total."""
        everybody = [Books().funded(1_000) for _ in range(6)]
        codes = [code for b in everybody for code in (b.payer, b.pending, b.transit)]
        stop = time.monotonic() + (60 if LONG else 1.5)
        seeds = iter(range(8))

        def transfer() -> int:
            chance, done = random.Random(next(seeds)), 0
            while time.monotonic() < stop:
                one, two = chance.sample(everybody, 2)
                amount = chance.randint(1, 300)
                done += succeeded(one.post, (one.payer, two.payer, amount))
                done += succeeded(one.pay, amount, fee=0)
                done += succeeded(one.spend, amount)
                done += succeeded(two.post, (one.transit, two.payer, amount), spend=True)
            return done

        def read() -> int:
            reads = 0
            while time.monotonic() < stop:
                views = api.list_balances(account_codes=codes)
                assert sum(view.balance for view in views) == 6_000
                assert min(view.balance for view in views) >= 0
                reads += 1
            return reads

        def roll_up() -> int:
            rolled = 0
            while time.monotonic() < stop:
                rolled += api.roll_up_accounts(limit=100)
            return rolled

        outcomes = run_together([transfer] * 6 + [read] * 2 + [roll_up])
        assert failures(outcomes) == []
        assert min(outcomes) > 0
        assert api.find_differences() == []


class TestCaller:
    def test_a_rolled_back_post_leaves_nothing_and_frees_the_event(self, owner_address):
        """The second poster waits for the first one's transaction and posts when that came to nothing."""
        books, payment_no = Books().funded(1_000), fresh("pay")
        before = books.state()
        with psycopg.connect(owner_address) as first:
            first.execute(
                "SELECT ledger_post(%s, 'payment_paid', %s, %s, 'CNY', %s, %s, %s::bigint[])",
                [fresh("jnl"), payment_no, DAY, [books.payer], [books.pending], [1_000]],
            )
            assert books.state() == before
            first.rollback()
        assert books.state() == before
        books.pay(1_000, payment_no=payment_no)
        assert books.balance(books.payer) == 0
