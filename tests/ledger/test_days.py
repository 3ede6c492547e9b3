"""Closed days, balances at their end, the hash chain and the rebuild: what an accountant relies on.

Days are closed in the year 2001: no other test dates a journal so early.
"""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction

from ledger import api, owner_books
from ledger.contracts import AccountingDayClosed, AccountKind, JournalDraft, PostingDraft
from ledger.sealed_invariants import SEALED_INVARIANTS
from paymentplatform.kernel import numbers
from tests.barrier import failures, run_together
from tests.clock import VirtualClock
from tests.waiting import wait_until

FIRST = date(2001, 1, 1)
CHAIN, CLOSED_DAYS = SEALED_INVARIANTS


def seal_all() -> None:
    """Seal until every posting of today is in the chain."""

    def is_done() -> bool:
        api.seal_journals(limit=100_000)
        unsealed = rows(
            "SELECT count(*) FROM ledger_posting WHERE xact_id >="
            " COALESCE((SELECT max(to_xact) FROM ledger_seal), '0')"
        )
        return bool(unsealed[0][0] == 0)

    wait_until(is_done, what="everything to be sealed")


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def post(day: date | None, *, debit: str, credit: str, amount: int, event: str = "") -> str:
    draft = JournalDraft(
        "test_day",
        event or numbers.new_number(numbers.REQUEST),
        day,
        debit.rpartition(":")[2],
        (PostingDraft(debit, credit, amount, spend=debit.startswith("L2")),),
    )
    with transaction.atomic():
        return api.post_journal(draft=draft)


class Books:
    """A merchant's accounts with three days of history."""

    def __init__(self) -> None:
        self.merchant = numbers.new_number(numbers.MERCHANT)
        self.pending = f"L20:{self.merchant}:CNY"
        self.available = f"L21:{self.merchant}:CNY"
        self.bank = "A20:platform:CNY"

    def earn(self, day: date | None, amount: int) -> str:
        return post(day, debit=self.bank, credit=self.pending, amount=amount)

    def release(self, day: date | None, amount: int) -> str:
        return post(day, debit=self.pending, credit=self.available, amount=amount)


@pytest.fixture(scope="module")
def days(unit_database: str) -> tuple[Books, list[date]]:
    """Three days that nobody has closed yet, in an unbroken row after those that were."""
    last = api.find_last_closed_day()
    start = max(FIRST, last + timedelta(days=1)) if last else FIRST
    books, found = Books(), [start + timedelta(days=n) for n in range(3)]
    books.earn(found[0], 100)
    books.earn(found[1], 50)
    books.release(found[1], 120)
    books.earn(found[2], 7)
    seal_all()
    return books, found


def close(expected: str = "CLOSED") -> None:
    """Close the next day; transactions of other tests may still be running."""
    seal_all()
    said: list[str] = []

    def try_again() -> bool:
        api.seal_journals(limit=100_000)
        said.append(api.close_next_day())
        return said[-1] not in {"WAITING", "MARKED"}

    wait_until(try_again, what="the day to be closed")
    assert said[-1] == expected


class TestDays:
    def test_closing_keeps_every_figure_and_lets_nothing_in_any_more(self, days):
        books, (one, two, three) = days
        for day, pending in ((one - timedelta(days=1), 0), (one, 100), (two, 30), (three, 37)):
            assert api.get_balance_at(account_code=books.pending, accounting_date=day) == pending
        assert api.find_closed_day(accounting_date=one) is None
        before = figures(books, days[1])
        close()
        close()
        assert api.find_last_closed_day() == two
        assert figures(books, days[1]) == before
        closed = api.find_closed_day(accounting_date=two)
        assert closed is not None
        assert (closed.journal_count, closed.posting_count) == (2, 2)
        assert daily(books.pending) == [(one, 0, 100, 100), (two, 120, 50, 30)]

        with pytest.raises(AccountingDayClosed):
            books.earn(one, 5)
        assert figures(books, days[1]) == before
        event = numbers.new_number(numbers.REQUEST)
        first = post(three, debit=books.bank, credit=books.pending, amount=1, event=event)
        assert api.close_next_day() == "MARKED"
        with pytest.raises(AccountingDayClosed):
            books.earn(three, 5)
        run_together([seal_all, api.close_next_day, api.close_next_day])
        while api.find_last_closed_day() != three:
            close()
        assert post(three, debit=books.bank, credit=books.pending, amount=1, event=event) == first
        assert daily(books.pending)[-1] == (three, 0, 8, 38)
        assert [found for found in api.find_differences() if books.merchant in found.subject] == []

    def test_who_dates_back_beside_a_close_is_in_it_or_refused(self):
        books = Books()
        last = max(api.find_last_closed_day() or FIRST, FIRST + timedelta(days=2))
        for day in (last + timedelta(days=1), last + timedelta(days=2)):
            books.earn(day, 1)

            def date_back(day: date = day) -> int:
                posted = 0
                while api.find_last_closed_day() != day:
                    try:
                        books.earn(day, 1)
                        posted += 1
                    except AccountingDayClosed:
                        break
                return posted

            def close_it(day: date = day) -> None:
                while api.find_last_closed_day() != day:
                    close()

            posted = run_together([date_back, date_back, close_it])
            assert failures(posted) == []
            (row,) = [row for row in daily(books.pending) if row[0] == day]
            assert row[2] == 1 + posted[0] + posted[1]
        assert [found for found in api.find_differences() if found.title == CLOSED_DAYS.title] == []

    def test_a_day_that_is_going_on_is_never_closed(self, planted, clock: VirtualClock):
        """Not even when the platform's clock was moved: only real time closes a day."""
        Books().earn(None, 1)
        clock.advance(3 * 86_400)
        yesterday = "(now() AT TIME ZONE 'Asia/Shanghai')::date - 1"
        closed = f"INSERT INTO ledger_day (accounting_date, cut_xact, closed_at) VALUES ({yesterday}, '0', now())"
        with planted(closed) as connection:
            (said,) = connection.execute("SELECT ledger_close_day('Asia/Shanghai', 0)").fetchone()
        assert said == "NOTHING"

    def test_a_closed_day_is_read_by_its_transactions_alone(self, days):
        books, (one, two, _) = days
        entries = api.list_statement_entries(account_code=books.pending, from_date=two, to_date=two)
        assert [entry.change for entry in entries] == [50, -120]
        kinds = (AccountKind.MERCHANT_PENDING, AccountKind.MERCHANT_AVAILABLE)
        moved = list(
            api.list_owner_movements(owner=books.merchant, kinds=kinds, accounting_date=one)
        )
        assert [[one.amount for one in chunk] for chunk in moved] == [[100]]
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(
                f"EXPLAIN {owner_books._LIST}", owner_books._parameters(books.merchant, kinds, one)
            )
            plan = "\n".join(row[0] for row in cursor.fetchall())
            cursor.execute("RESET enable_seqscan")
        assert plan.count("xact_id >= ") == 2
        assert "Index" in plan


def figures(books: Books, days: list[date]) -> list[Any]:
    """Everything that the close of a day must not change."""
    found: list[Any] = []
    for day in days:
        found += [
            api.get_balance_at(account_code=code, accounting_date=day)
            for code in (books.pending, books.available)
        ]
        found.append(api.get_trial_balance(accounting_date=day))
        found.append(api.get_trial_balance(accounting_date=day, from_date=day))
        found.append(
            api.list_statement_entries(account_code=books.pending, from_date=day, to_date=day)
        )
    return found


def daily(account_code: str) -> list[tuple[Any, ...]]:
    return rows(
        "SELECT b.accounting_date, b.debits, b.credits, b.balance FROM ledger_daily_balance b"
        " JOIN ledger_account a ON a.id = b.account_id WHERE a.code = %s ORDER BY 1",
        account_code,
    )


class TestChain:
    def test_it_waits_for_who_is_still_writing_and_forgets_nobody(self, owner_address: str):
        books = Books()
        books.earn(None, 1)  # opens the accounts: who opens one waits for everybody else who does
        with psycopg.connect(owner_address) as slow:
            slow.execute(
                "SELECT ledger_post(%s, 'test_seal', %s, platform_now()::date, 'CNY', %s::text[], %s::text[], '{5}')",
                [
                    numbers.new_number(numbers.JOURNAL),
                    numbers.new_number(numbers.REQUEST),
                    [books.bank],
                    [books.pending],
                ],
            )
            (own,) = slow.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
            books.earn(None, 3)
            api.seal_journals(limit=100_000)
            (reached,) = rows("SELECT COALESCE(max(to_xact::text::bigint), 0) FROM ledger_seal")[0]
            assert reached <= own
            slow.commit()
        seal_all()
        assert [found for found in api.find_differences() if found.title == CHAIN.title] == []

    def test_sealing_at_once_makes_one_chain(self):
        books = Books()
        for _ in range(5):
            books.earn(None, 1)
        assert failures(run_together([lambda: api.seal_journals(limit=2)] * 4)) == []
        seal_all()
        assert [found for found in api.find_differences() if found.title == CHAIN.title] == []

    @pytest.mark.parametrize(
        "tampering",
        [
            "UPDATE ledger_posting SET amount = amount + 1 WHERE journal_no = '{no}'",
            "UPDATE ledger_journal SET event_id = event_id || 'x' WHERE journal_no = '{no}'",
            "UPDATE ledger_journal SET accounting_date = accounting_date + 1 WHERE journal_no = '{no}'",
            "DELETE FROM ledger_posting WHERE journal_no = '{no}'",
            (
                "INSERT INTO ledger_posting"
                " (journal_no, line_no, debit_account_id, credit_account_id, amount, currency, xact_id)"
                " SELECT journal_no, 9, debit_account_id, credit_account_id, 1, currency, xact_id"
                " FROM ledger_posting WHERE journal_no = '{no}'"
            ),
            "UPDATE ledger_seal SET hash = md5(hash) WHERE block_no = (SELECT max(block_no) - 1 FROM ledger_seal)",
            "DELETE FROM ledger_seal WHERE block_no = (SELECT max(block_no) - 1 FROM ledger_seal)",
        ],
    )
    def test_whoever_changes_what_is_sealed_is_seen(self, planted, tampering: str):
        books = Books()
        number = books.earn(None, 3)
        seal_all()
        books.earn(None, 4)
        seal_all()
        with planted(tampering.format(no=number)) as connection:
            assert connection.execute(CHAIN.sql).fetchall() != []
        assert api.find_differences() == [] or CHAIN.title not in {
            found.title for found in api.find_differences()
        }

    @pytest.mark.parametrize(
        "tampering",
        [
            "UPDATE ledger_daily_balance SET balance = balance + 1 WHERE account_id = {account}",
            "UPDATE ledger_daily_balance SET debits = debits + 1 WHERE account_id = {account}",
            "DELETE FROM ledger_daily_balance WHERE account_id = {account}",
        ],
    )
    def test_a_closed_day_that_lies_is_seen(self, planted, days, tampering: str):
        books, _ = days
        (account,) = rows("SELECT id FROM ledger_account WHERE code = %s", books.pending)[0]
        with planted(tampering.format(account=account)) as connection:
            found = connection.execute(CLOSED_DAYS.sql).fetchall()
        assert any(books.pending in subject for subject, _ in found)

    def test_the_application_can_neither_seal_nor_close_by_hand(self):
        for statement in (
            "INSERT INTO ledger_seal VALUES (0, '0', '1', 0, 0, '', now())",
            "UPDATE ledger_day SET closed_at = NULL",
            "DELETE FROM ledger_daily_balance",
        ):
            with pytest.raises(Exception, match="permission denied"):
                rows(statement)


class TestCommands:
    def run(self, *arguments: str) -> tuple[int, Any]:
        out = io.StringIO()
        try:
            call_command(*arguments, "--json", stdout=out)
        except SystemExit as leaving:
            return int(leaving.code or 0), json.loads(out.getvalue())
        return 0, json.loads(out.getvalue())

    def test_an_account_statement_adds_up(self, days):
        books, (one, _, three) = days
        arguments = ("account_statement", books.pending, "--from", str(one), "--to", str(three))
        code, said = self.run(*arguments)
        changes = [entry["change"] for entry in said["entries"]]
        assert (code, said["opening"], said["closing"]) == (0, 0, sum(changes))
        assert changes[:4] == [100, 50, -120, 7]
        assert self.run("account_statement", "nonsense", *arguments[2:])[0] == 2

    def test_an_anchor_kept_elsewhere_is_found_again(self, days):
        assert days
        (anchor,) = rows("SELECT hash FROM ledger_seal ORDER BY block_no LIMIT 1")[0]
        assert self.run("verify_ledger", "--anchor", anchor)[0] == 0
        code, said = self.run("verify_ledger", "--anchor", "0" * 64)
        assert (code, said["differences"][0]["subject"]) == (1, "0" * 64)

    def test_a_rebuild_sets_right_what_is_wrong_and_nothing_else(self, days, owner_connection: Any):
        books = Books()
        books.earn(None, 30)
        api.roll_up_accounts(limit=1_000)
        payer = f"L10:{numbers.new_number(numbers.PAYER)}:CNY"
        post(None, debit=books.bank, credit=payer, amount=20)
        assert self.run("rebuild_balances", "--account", books.pending)[1]["accounts"] == []
        for table, code in (("roll_up", books.pending), ("payer_balance", payer)):
            owner_connection.execute(
                f"UPDATE ledger_{table} SET balance = balance + 7 WHERE account_id ="
                " (SELECT id FROM ledger_account WHERE code = %s)",
                [code],
            )
        both = ("--account", books.pending, "--account", payer)
        assert sorted(self.run("rebuild_balances", *both, "--dry-run")[1]["accounts"]) == sorted(
            [books.pending, payer]
        )
        assert api.get_balance(account_code=payer).balance == 27
        assert sorted(self.run("rebuild_balances", *both)[1]["accounts"]) == sorted(
            [books.pending, payer]
        )
        assert [api.get_balance(account_code=code).balance for code in (books.pending, payer)] == [
            30,
            20,
        ]
        assert self.run("rebuild_balances", *both)[1]["accounts"] == []
