"""Roll-ups are exact whoever posts meanwhile; the two tempting wrong forms lose money, and are kept to show it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from ledger import api
from ledger.contracts import InsufficientBalance
from tests.barrier import failures, run_together
from tests.ledger.books import DAY, LONG, Books, fresh, query, succeeded, sum_of_postings
from tests.waiting import wait_until

POST = "SELECT ledger_post(%s, 'test', %s, %s, 'CNY', %s, %s, %s::bigint[], %s::boolean[])"


def post(
    session: psycopg.Connection, debit: str, credit: str, amount: int, *, spend=False
) -> str | None:
    row = session.execute(
        POST, [fresh("jnl"), fresh(), DAY, [debit], [credit], [amount], [spend]]
    ).fetchone()
    return row[0]


@pytest.fixture
def session(owner_address: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner_address) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def books(owner_address: str) -> Iterator[Books]:
    """Books with money for the merchant; their roll-up is rebuilt at the end, whatever a test did to it."""
    made = Books()
    made.collect(100)
    yield made
    with psycopg.connect(owner_address, autocommit=True) as owner:
        owner.execute(
            "UPDATE ledger_roll_up SET balance = 0, horizon = '0' "
            "WHERE account_id = (SELECT id FROM ledger_account WHERE code = %s)",
            [made.pending],
        )


def roll_up_row(books: Books) -> tuple[int, int]:
    ((balance, horizon),) = query(
        "SELECT r.balance, r.horizon::text FROM ledger_roll_up r JOIN ledger_account a ON a.id = r.account_id "
        "WHERE a.code = %s",
        books.pending,
    )
    return balance, int(horizon)


def settle() -> None:
    """Wait until all that has been written is behind the horizon: it belongs to the server, not to a database."""
    ((now,),) = query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    wait_until(
        lambda: (
            query("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8", now) == [(True,)]
        )
    )


def roll_up(books: Books) -> None:
    """Roll up until this account's row has moved past its tail, or nothing is left to do."""
    while api.roll_up_accounts(limit=1_000):
        pass


class TestRollUp:
    def test_moves_the_tail_into_the_balance(self, books):
        assert roll_up_row(books) == (0, 0)
        settle()
        roll_up(books)
        balance, horizon = roll_up_row(books)
        assert balance == 100
        assert horizon > 0
        assert api.roll_up_accounts(limit=1_000) == 0

    def test_takes_no_more_accounts_than_it_may(self):
        settle()
        api.roll_up_accounts(limit=10_000)
        for _ in range(3):
            Books().collect(1)
        settle()
        assert api.roll_up_accounts(limit=2) == 2

    def test_never_steps_over_a_transaction_that_is_still_writing(self, books, session):
        post(session, books.receivable, books.pending, 7)
        books.collect(5)
        roll_up(books)
        assert books.balance(books.pending) == 105
        session.commit()
        assert books.balance(books.pending) == 112
        settle()
        roll_up(books)
        assert roll_up_row(books)[0] == 112

    def test_skips_an_account_that_is_being_spent_from(self, books, session):
        roll_up(books)
        books.collect(5)
        before = roll_up_row(books)
        session.execute(
            "SELECT 1 FROM ledger_roll_up r JOIN ledger_account a ON a.id = r.account_id "
            "WHERE a.code = %s FOR NO KEY UPDATE OF r",
            [books.pending],
        )
        api.roll_up_accounts(limit=1_000)
        assert roll_up_row(books) == before

    def test_a_long_tail_is_rolled_up_by_the_one_who_spends(self, books, owner_connection):
        rows = 10_001
        owner_connection.execute(
            "SELECT count(ledger_post(%s || i, 'test', %s || i, %s, 'CNY', ARRAY[%s], ARRAY[%s], '{2}'))"
            " FROM generate_series(1, %s) AS i",
            [fresh(), fresh(), DAY, books.receivable, books.pending, rows],
        )
        assert roll_up_row(books) == (0, 0)
        settle()
        books.spend(1)
        assert roll_up_row(books)[0] == 100 + 2 * rows
        assert books.balance(books.pending) == 99 + 2 * rows

    def test_a_short_tail_is_left_to_the_clock(self, books):
        books.spend(1)
        assert roll_up_row(books) == (0, 0)

    def test_the_tail_is_read_from_the_index_alone(self, owner_connection):
        owner_connection.execute("VACUUM ANALYZE ledger_posting")  # as autovacuum does, but now
        with owner_connection.transaction():
            owner_connection.execute("SET LOCAL enable_seqscan = off")
            owner_connection.execute("SET LOCAL enable_bitmapscan = off")
            for side in ("debit", "credit"):
                plan = "\n".join(
                    line
                    for (line,) in owner_connection.execute(
                        f"EXPLAIN SELECT sum(amount) FROM ledger_posting "
                        f"WHERE {side}_account_id = 1 AND xact_id >= '5'::xid8"
                    )
                )
                assert f"Index Only Scan using ledger_posting_{side}s" in plan

    def test_stays_exact_while_everybody_works(self, books):
        """Payers, spenders who empty the account, two roll-ups and a checker, on one account."""
        stop = time.monotonic() + (120 if LONG else 2)
        books.funded(10**9)
        seeds = iter(range(20))

        def pay() -> int:
            done, chance = 0, random.Random(next(seeds))
            while time.monotonic() < stop:
                done += bool(books.pay(chance.randint(1, 50), fee=chance.randint(0, 1)))
            return done

        def spend() -> int:
            done, chance = 0, random.Random(next(seeds))
            while time.monotonic() < stop:
                done += succeeded(books.spend, chance.randint(1, 120))
            return done

        def roll() -> int:
            return sum(
                api.roll_up_accounts(limit=100)
                for _ in iter(lambda: time.monotonic() < stop, False)
            )

        def check() -> int:
            checks = 0
            while time.monotonic() < stop:
                ((balance, total),) = query(
                    "SELECT ledger_account_balance(a.code),"
                    " COALESCE((SELECT sum(amount) FROM ledger_posting WHERE credit_account_id = a.id), 0)"
                    " - COALESCE((SELECT sum(amount) FROM ledger_posting WHERE debit_account_id = a.id), 0)"
                    " FROM ledger_account a WHERE a.code = %s",
                    books.pending,
                )
                assert balance == total >= 0
                checks += 1
            return checks

        outcomes = run_together([pay] * 4 + [spend] * 3 + [roll] * 2 + [check])
        assert failures(outcomes) == []
        assert min(outcomes) > 0
        assert api.find_differences() == []


class TestWrongForms:
    """Tests of the tests above: if these forms did no harm here, the harness would prove nothing."""

    def test_horizon_at_xmax_loses_what_was_still_being_written(
        self, books, session, owner_connection
    ):
        post(
            session, books.receivable, books.pending, 7
        )  # holds an older transaction id, uncommitted
        books.collect(5)
        owner_connection.execute(
            """UPDATE ledger_roll_up r
                  SET balance = (SELECT sum(amount) FROM ledger_posting WHERE credit_account_id = r.account_id
                                    AND xact_id < pg_snapshot_xmax(pg_current_snapshot())),
                      horizon = pg_snapshot_xmax(pg_current_snapshot())
                WHERE account_id = (SELECT id FROM ledger_account WHERE code = %s)""",
            [books.pending],
        )
        session.commit()
        assert sum_of_postings(books.pending) == 112
        assert books.balance(books.pending) == 105
        assert [found.invariant for found in api.find_differences()] == [2, 3]

    def naive_balance(self, session: psycopg.Connection, books: Books) -> int:
        """Lock and sum in ONE statement."""
        row = session.execute(
            """SELECT r.balance
                    + COALESCE((SELECT sum(amount) FROM ledger_posting WHERE credit_account_id = r.account_id
                                   AND xact_id >= r.horizon), 0)
                    - COALESCE((SELECT sum(amount) FROM ledger_posting WHERE debit_account_id = r.account_id
                                   AND xact_id >= r.horizon), 0)
                 FROM ledger_roll_up r
                WHERE r.account_id = (SELECT id FROM ledger_account WHERE code = %s)
                  FOR NO KEY UPDATE""",
            [books.pending],
        ).fetchone()
        return int(row[0])

    def behind(self, session: psycopg.Connection, work) -> object:
        """Run ``work`` in a thread, let ``session`` commit once somebody waits for it; return what work did."""
        outcome: list[object] = []

        def run() -> None:
            try:
                outcome.append(work())
            except InsufficientBalance as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        pid = session.info.backend_pid
        wait_until(
            lambda: query(
                "SELECT 1 FROM pg_locks w WHERE %s = ANY(pg_blocking_pids(w.pid)) LIMIT 1", pid
            ),
            what="somebody waiting for the first spender",
        )
        session.commit()
        thread.join(60)
        return outcome[0]

    def test_lock_and_sum_in_one_statement_spends_the_same_money_twice(
        self, books, session, owner_address
    ):
        assert post(session, books.pending, books.transit, 100, spend=True)
        with psycopg.connect(owner_address) as second:
            seen = self.behind(session, lambda: self.naive_balance(second, books))
        assert seen == 100, "the sum is from before the wait, so it allows another 100"
        assert books.balance(books.pending) == 0

    def test_our_form_sees_what_was_spent_during_the_wait(self, books, session):
        assert post(session, books.pending, books.transit, 100, spend=True)
        outcome = self.behind(session, lambda: books.spend(1))
        assert isinstance(outcome, InsufficientBalance)
        assert books.balance(books.pending) == 0
