"""What a transaction has put on its way it takes off again without the account's lock, and not a minor unit more."""

from __future__ import annotations

import random
from collections.abc import Callable

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from ledger import api
from ledger.contracts import InsufficientBalance, JournalDraft, PostingDraft
from tests.barrier import failures, run_together
from tests.ledger.books import DAY, LONG, Books, fresh, succeeded

LOCK = (
    "SELECT 1 FROM ledger_roll_up r JOIN ledger_account a ON a.id = r.account_id"
    " WHERE a.code = %s FOR NO KEY UPDATE OF r"
)


@pytest.fixture
def books() -> Books:
    """The merchant has 100 pending; every account is open and transit is empty."""
    made = Books()
    made.funded(1).collect(100)
    made.spend(1)
    made.post((made.transit, made.pending, 1), spend=True)
    return made


def post(debit: str, credit: str, amount: int) -> None:
    """Spend inside the caller's transaction."""
    posting = PostingDraft(debit, credit, amount, spend=True)
    api.post_journal(draft=JournalDraft("test", fresh(), DAY, "CNY", (posting,)))


@transaction.atomic
def pass_through(books: Books, amount: int, taken: int | None = None) -> None:
    """Put money on its way and take it off again, as a refund to a balance does."""
    post(books.pending, books.transit, amount)
    post(books.transit, books.payer, amount if taken is None else taken)


@transaction.atomic
def spend_in_turn(*legs: tuple[str, str, int]) -> None:
    for leg in legs:
        post(*leg)


@transaction.atomic
def pass_through_soon(books: Books, amount: int, taken: int, *, within: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [within])
    pass_through(books, amount, taken)


def test_it_waits_for_nobody_who_spends_from_the_same_account(books: Books, owner_address: str):
    with psycopg.connect(owner_address) as holder:
        holder.execute(LOCK, [books.transit])
        pass_through_soon(books, 60, 60, within="5s")
    assert (books.balance(books.transit), books.balance(books.payer)) == (0, 61)


def test_who_takes_what_others_put_there_waits_for_the_lock(books: Books, owner_address: str):
    books.spend(1)
    with psycopg.connect(owner_address) as holder:
        holder.execute(LOCK, [books.transit])
        with pytest.raises(OperationalError, match="lock timeout"):
            pass_through_soon(books, 60, 61, within="100ms")
    assert (books.balance(books.transit), books.balance(books.payer)) == (1, 1)


def test_more_than_there_is_stays_refused(books: Books):
    before = books.state()
    with pytest.raises(InsufficientBalance):
        pass_through(books, 60, taken=61)
    with pytest.raises(InsufficientBalance):
        spend_in_turn(
            (books.pending, books.transit, 60),
            (books.transit, books.payer, 60),
            (books.transit, books.payer, 1),
        )
    assert books.state() == before
    books.spend(1)
    pass_through(books, 60, taken=61)
    assert (books.balance(books.transit), books.balance(books.payer)) == (0, 62)


def test_money_that_only_touches_a_merchants_account_is_no_ones_own(books: Books):
    """A chargeback has taken more than was available: what comes in is owed, not free."""
    books.post((books.available, books.receivable, 5))
    before = books.state()
    with pytest.raises(InsufficientBalance):
        spend_in_turn((books.pending, books.available, 4), (books.available, books.bank, 4))
    assert books.state() == before


def test_many_at_once_beside_spenders_leave_no_account_short(books: Books):
    books.collect(100_000)
    seeds = iter(range(100))

    def often(act: Callable[[random.Random], object]) -> Callable[[], int]:
        def run() -> int:
            chance = random.Random(next(seeds))
            return sum(succeeded(act, chance) for _ in range(400 if LONG else 25))

        return run

    def take_out(chance: random.Random) -> None:
        books.post((books.transit, books.receivable, chance.randint(1, 9)), spend=True)

    ended = run_together(
        [often(lambda chance: pass_through(books, chance.randint(1, 9)))] * 4
        + [often(lambda chance: books.spend(chance.randint(1, 9)))] * 2
        + [often(take_out)] * 3
        + [lambda: api.roll_up_accounts(limit=100)] * 2
    )
    assert failures(ended) == []
    assert books.balance(books.transit) >= 0
    while succeeded(books.post, (books.transit, books.receivable, 1), spend=True):
        pass
    assert books.balance(books.transit) == 0
