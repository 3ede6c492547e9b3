"""Posting, refusing, repeating and reversing journals."""

from __future__ import annotations

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from ledger import api
from ledger.contracts import InsufficientBalance, JournalNotFound
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.ledger.books import DAY, Books, fresh, query, reverse, sum_of_postings
from tests.roundtrips import counting_round_trips


@pytest.fixture
def books() -> Books:
    return Books().funded(10_000)


def refused_with(error: pytest.ExceptionInfo, sqlstate: str = "PC900") -> bool:
    return error.value.__cause__.sqlstate == sqlstate


class TestPostJournal:
    def test_moves_the_money_and_the_fee(self, books):
        journal_no = books.pay(1_000, fee=6)
        assert books.balance(books.payer) == 9_000
        assert books.balance(books.pending) == 994
        journal = api.get_journal(journal_no=journal_no)
        assert [(p.debit, p.credit, p.amount) for p in journal.postings] == [
            (books.payer, books.pending, 1_000),
            (books.pending, books.fees, 6),
        ]
        assert (journal.accounting_date, journal.currency) == (DAY, "CNY")
        assert (journal.reverses, journal.reversed_by) == (None, None)

    def test_takes_one_statement(self, books):
        for _ in range(3):  # until it is prepared
            books.pay(1, fee=1, day=None)
        with counting_round_trips() as seen:
            books.pay(1, fee=1, day=None)
        assert len(seen) == 1
        assert seen.on_the_wire == 3  # BEGIN, the call, COMMIT

    def test_needs_a_transaction(self):
        with pytest.raises(TransactionMisuse):
            api.post_journal(
                draft=api.build_platform_funding(reference=fresh(), currency="CNY", amount=1)
            )

    def test_gives_the_business_day_when_none_is_named(self):
        with transaction.atomic():
            journal_no = api.post_journal(
                draft=api.build_platform_funding(reference=fresh(), currency="CNY", amount=1)
            )
            ((today,),) = query("SELECT (platform_now() AT TIME ZONE 'Asia/Shanghai')::date")
        assert api.get_journal(journal_no=journal_no).accounting_date == today

    @pytest.mark.parametrize("amount", [10_001, 10**15])
    def test_refuses_more_than_the_payer_has_and_writes_nothing(self, books, amount):
        books.merchant_no = fresh("mch")  # an account that would have to be opened
        before = books.state()
        with pytest.raises(InsufficientBalance):
            books.pay(amount)
        assert books.state() == before

    def test_refuses_a_payer_without_an_account_and_opens_none(self):
        books = Books()
        with pytest.raises(InsufficientBalance):
            books.pay(1)
        assert books.state()["accounts"] == []

    def test_held_money_cannot_be_paid_with(self, books):
        books.hold(9_500)
        before = books.state()
        with pytest.raises(InsufficientBalance):
            books.pay(501)
        assert books.state() == before
        books.pay(500)

    def test_near_the_end_of_the_numbers_it_refuses_cleanly(self, books, owner_address):
        before = books.state()
        with psycopg.connect(owner_address) as owner:
            owner.execute(
                "UPDATE ledger_payer_balance SET balance = 9223372036854775800 "
                "WHERE account_id = (SELECT id FROM ledger_account WHERE code = %s)",
                [books.payer],
            )
            with pytest.raises(psycopg.errors.NumericValueOutOfRange):
                owner.execute(
                    "SELECT ledger_post(%s, 'test', %s, %s, 'CNY', %s, %s, '{100}')",
                    [fresh("jnl"), fresh(), DAY, [books.bank], [books.payer]],
                )
            owner.rollback()
        assert books.state() == before

    def test_the_largest_posting(self):
        books = Books().funded(10**15)
        assert books.balance(books.payer) == 10**15

    @pytest.mark.parametrize(
        "legs",
        [
            [],
            [("A20:platform:CNY", "E10:platform:CNY", 0)],
            [("A20:platform:CNY", "E10:platform:CNY", -5)],
            [("A20:platform:CNY", "E10:platform:CNY", 10**15 + 1)],
            [("A20:platform:CNY", "A20:platform:CNY", 5)],
            [("A20:platform:CNY", "E10:platform:USD", 5)],
            [("A20:platform:USD", "E10:platform:USD", 5)],
            [("A20:platform:CNY", "Z99:platform:CNY", 5)],
            [("A20:platform:CNY", "E10:plat form:CNY", 5)],
        ],
    )
    def test_what_is_no_journal_is_a_broken_invariant(self, legs):
        event = ("test", fresh())
        with pytest.raises(DatabaseError) as error:
            Books().post(*legs, event=event)
        assert refused_with(error)
        assert api.find_journal(event_type=event[0], event_id=event[1]) is None

    def test_two_payers_in_one_journal(self, books):
        other = Books().funded(100)
        books.post((books.payer, other.payer, 600), (other.payer, books.pending, 650))
        assert (books.balance(books.payer), books.balance(other.payer)) == (9_400, 50)
        before = books.state() | other.state()
        with pytest.raises(InsufficientBalance):
            books.post((books.payer, other.payer, 1), (other.payer, books.pending, 52))
        assert books.state() | other.state() == before


class TestIdempotence:
    def test_the_same_event_gives_the_first_number(self, books):
        payment_no = fresh("pay")
        first = books.pay(1_000, fee=6, payment_no=payment_no)
        before = books.state()
        assert books.pay(1_000, fee=6, payment_no=payment_no) == first
        assert books.state() == before

    def test_even_when_the_money_is_gone_by_then(self, books):
        payment_no = fresh("pay")
        first = books.pay(10_000, payment_no=payment_no)
        assert books.pay(10_000, payment_no=payment_no) == first
        assert books.balance(books.payer) == 0

    @pytest.mark.parametrize(("amount", "fee"), [(1_001, 6), (1_000, 7), (10_000, 6)])
    def test_other_postings_for_the_event_are_a_broken_invariant(self, books, amount, fee):
        payment_no = fresh("pay")
        books.pay(1_000, fee=6, payment_no=payment_no)
        before = books.state()
        with pytest.raises(DatabaseError) as error:
            books.pay(amount, fee=fee, payment_no=payment_no)
        assert refused_with(error)
        assert books.state() == before

    def test_a_spend_repeated_after_the_account_is_empty(self, books):
        books.collect(500)
        event_id = fresh()
        first = books.spend(500, event_id=event_id)
        assert books.spend(500, event_id=event_id) == first
        assert books.balance(books.pending) == 0


class TestSpending:
    def test_stops_at_zero_and_writes_nothing(self, books):
        books.collect(500)
        books.spend(499)
        before = books.state()
        with pytest.raises(InsufficientBalance):
            books.spend(2)
        assert books.state() == before
        books.spend(1)
        assert books.balance(books.pending) == 0

    def test_counts_a_fee_returned_in_the_same_journal(self, books):
        books.collect(990)
        books.post(
            (books.pending, books.transit, 1_000), (books.fees, books.pending, 10), spend=True
        )
        assert books.balance(books.pending) == 0

    def test_without_the_lock_is_refused_unless_the_journal_pays_for_it(self, books):
        books.collect(500)
        before = books.state()
        with pytest.raises(DatabaseError) as error:
            books.post((books.pending, books.fees, 1))
        assert refused_with(error)
        assert books.state() == before

    def test_a_chargeback_may_take_available_money_below_zero(self, books):
        books.post((books.available, books.receivable, 700))
        assert books.balance(books.available) == -700

    def test_needs_a_snapshot_that_moves(self, books):
        """Under REPEATABLE READ the sum would be older than the lock: refused, not risked."""
        books.collect(500)
        before = books.state()
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(DatabaseError) as error:
                books.spend(1)
        assert refused_with(error)
        assert books.state() == before


class TestReverseJournal:
    def test_undoes_it_exactly_once(self, books):
        original = books.pay(1_000, fee=6)
        mirror = reverse(original)
        assert reverse(original) == mirror
        assert books.balance(books.payer) == 10_000
        assert books.balance(books.pending) == 0
        assert api.get_journal(journal_no=original).reversed_by == mirror
        assert api.get_journal(journal_no=mirror).reverses == original

    def test_refuses_when_the_money_has_moved_on(self, books):
        original = books.pay(1_000)
        books.spend(1)
        before = books.state()
        with pytest.raises(InsufficientBalance):
            reverse(original)
        assert books.state() == before

    def test_takes_a_top_up_back_only_from_what_is_free(self, books):
        original = books.post((books.bank, books.payer, 500))
        books.hold(10_400)
        with pytest.raises(InsufficientBalance):
            reverse(original)

    def test_knows_no_unknown_journal(self):
        with pytest.raises(JournalNotFound):
            reverse("jnl_0")

    def test_only_the_mirror_is_a_reversal(self, books):
        original = books.pay(1_000)
        before = books.state()
        with pytest.raises(DatabaseError) as error:
            books.post(
                (books.pending, books.payer, 999),
                event=("reversal", original),
                spend=True,
                reverses=original,
            )
        assert refused_with(error)
        assert books.state() == before

    def test_the_database_has_one_reversal_at_most(self, books):
        original = books.pay(1_000)
        reverse(original)
        books.pay(1_000)
        with pytest.raises(DatabaseError) as error:
            books.post((books.pending, books.payer, 1_000), spend=True, reverses=original)
        assert refused_with(error, "23505")


class TestSelectors:
    def test_find_journal_by_its_fact(self, books):
        payment_no = fresh("pay")
        journal_no = books.pay(5, payment_no=payment_no)
        found = api.find_journal(event_type="payment_paid", event_id=payment_no)
        assert found is not None
        assert found.journal_no == journal_no
        assert api.find_journal(event_type="payment_paid", event_id="nothing") is None

    def test_balances_come_in_order_and_say_what_is_held(self, books):
        books.hold(300)
        payer, unknown = api.list_balances(account_codes=[books.payer, "L10:nobody:CNY"])
        assert (payer.balance, payer.held, payer.available) == (10_000, 300, 9_700)
        assert (unknown.account_code, unknown.balance, unknown.held) == ("L10:nobody:CNY", 0, 0)

    def test_statement_tells_every_movement_from_the_accounts_side(self, books):
        books.collect(500)
        books.pay(1_000, fee=6)
        entries = api.list_statement_entries(account_code=books.pending, from_date=DAY, to_date=DAY)
        assert [(e.counter_account, e.change) for e in entries] == [
            (books.receivable, 500),
            (books.payer, 1_000),
            (books.fees, -6),
        ]
        assert sum(e.change for e in entries) == sum_of_postings(books.pending)
        assert not api.list_statement_entries(
            account_code=books.pending, from_date=DAY.replace(day=2), to_date=DAY.replace(day=3)
        )
