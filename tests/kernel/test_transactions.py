"""A deadlock is the database's business: the loser is run again, from its beginning, a few times."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from paymentplatform.kernel import transactions
from paymentplatform.kernel.transactions import TransactionMisuse, start
from tests.barrier import run_together

_ONE, _OTHER = 917_001, 917_002


def lock(key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def refuse(sqlstate: str) -> None:
    """Let PostgreSQL raise a real error of this kind."""
    with connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")


def test_both_sides_of_a_deadlock_end_well():
    runs: list[str] = []
    both_hold_one = threading.Barrier(2)

    @start
    def take(name: str, first: int, second: int) -> str:
        runs.append(name)
        lock(first)
        if runs.count(name) == 1:
            both_hold_one.wait(60)
        lock(second)
        return name

    ended = run_together([lambda: take("a", _ONE, _OTHER), lambda: take("b", _OTHER, _ONE)])

    assert ended == ["a", "b"]
    assert sorted(runs) in (["a", "a", "b"], ["a", "b", "b"]), "only the loser ran again"


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_it_is_tried_four_times_and_what_was_written_is_taken_back(sqlstate: str):
    seen: list[int] = []

    @start
    def lose() -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE lost (n int) ON COMMIT DROP")
        seen.append(len(seen))
        refuse(sqlstate)

    with pytest.raises(OperationalError):
        lose()
    assert len(seen) == transactions._TRIES == 4
    assert not connection.in_atomic_block


def test_it_succeeds_at_the_last_try():
    tries: list[int] = []

    @start
    def win_late() -> int:
        tries.append(1)
        if len(tries) < 4:
            refuse("40P01")
        return len(tries)

    assert win_late() == 4


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [("55P03", OperationalError), ("57014", OperationalError), ("23505", IntegrityError)],
)
def test_nothing_else_is_repeated(sqlstate: str, kind: type[DatabaseError]):
    tries: list[int] = []

    @start
    def fail() -> None:
        tries.append(1)
        refuse(sqlstate)

    with pytest.raises(kind):
        fail()
    assert len(tries) == 1


def test_a_repeat_never_happens_inside_somebody_elses_transaction():
    @start
    def inner() -> None:
        raise AssertionError("ran")

    outer = start(inner)
    with pytest.raises(TransactionMisuse):
        outer()


def test_rehearsed_it_tells_what_it_found_and_keeps_nothing():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE rehearsed (n int)")
    done: list[str] = []

    @start
    def write(n: int) -> int:
        transactions.after_commit(lambda: done.append("rung"))
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO rehearsed VALUES (%s) RETURNING n", [n])
            return int(cursor.fetchone()[0])

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM rehearsed")
            return int(cursor.fetchone()[0])

    assert (transactions.rehearse(write)(7), count(), done) == (7, 0, [])
    assert (write(7), count(), done) == (7, 1, ["rung"])
    with pytest.raises(TransactionMisuse):
        transactions.rehearse(count)
