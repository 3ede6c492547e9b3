"""What the application's role may not do, and what even the owner is stopped from."""

from __future__ import annotations

import psycopg
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from ledger import api
from ledger.models import Journal, Posting
from paymentplatform.kernel import grants
from tests.environment import database_url
from tests.ledger import test_days
from tests.ledger.books import DAY, Books, fresh, query

INTO_POSTING = (
    "INSERT INTO ledger_posting "
    "(journal_no, line_no, debit_account_id, credit_account_id, amount, currency)"
)
TABLES = sorted(model._meta.db_table for model in apps.get_app_config("ledger").get_models())


@pytest.fixture
def books() -> Books:
    made = Books().funded(1_000)
    made.pay(10, fee=1)
    made.hold(5)
    return made


@pytest.fixture(scope="module")
def closed_day(unit_database: str) -> None:
    """A day that is closed: its tables have rows, without which no trigger of theirs speaks."""
    if api.find_last_closed_day() is None:
        test_days.Books().earn(test_days.FIRST, 1_00)
        test_days.close()


def as_application(statement: str, parameters: list | None = None) -> str | None:
    """Run it in a transaction that is rolled back; return the SQLSTATE of its refusal."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
            transaction.set_rollback(True)
    except DatabaseError as error:
        return error.__cause__.sqlstate
    return None


class TestApplicationRole:
    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO {} DEFAULT VALUES",
            "DELETE FROM {}",
            "TRUNCATE {} CASCADE",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "DROP TABLE {} CASCADE",
            "SELECT 1 FROM {} FOR UPDATE",
            "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
        ],
    )
    def test_only_looks_at_the_tables(self, books, table, statement):
        before = books.state()
        assert as_application(statement.format(table)) == "42501"
        assert books.state() == before

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_payer_balance SET balance = balance + 1",
            "UPDATE ledger_roll_up SET balance = 0",
            "UPDATE ledger_posting SET amount = 1",
            "UPDATE ledger_hold SET status = 'RELEASED'",
            "SET session_replication_role = replica",
            "ALTER TABLE ledger_payer_balance DROP CONSTRAINT ledger_payer_balance_covers_held",
            "DROP TRIGGER pgtrigger_append_only_f2ff5 ON ledger_posting",
            "CREATE OR REPLACE FUNCTION platform_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
            "CREATE FUNCTION public.evil() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT ledger_open_accounts(ARRAY['L10:evil:CNY'])",
            "SELECT ledger_record_move('hld', 'CAPTURED', 'OPEN', 'evil')",
            (
                "SELECT ledger_move_balances('jnl', 1, ARRAY['A20:platform:CNY'], ARRAY['L10:x:CNY'], "
                "(SELECT array_agg(account_id) || array_agg(account_id) FROM ledger_payer_balance), '{1}', NULL)"
            ),
            "SELECT ledger_advance_roll_up(account_id) FROM ledger_roll_up",
        ],
    )
    def test_has_no_way_round_the_doors(self, books, statement):
        before = books.state()
        assert as_application(statement) == "42501"
        assert books.state() == before

    def test_cannot_switch_guards_off_by_a_setting(self, books):
        assert as_application(
            "SET pgtrigger.ignore = 'ledger_posting:append_only'; DELETE FROM ledger_posting"
        ) in {
            "42501",
            "42601",
        }

    def test_shadows_nothing_with_temporary_objects(self, books, unit_database):
        """Tables, types and a search_path of the caller mean nothing behind the doors."""
        types = ("text", "uuid", "xid8", "date", "int8", "bool", "int4", "record")
        with psycopg.connect(database_url(unit_database)) as session:  # nothing compiled yet
            session.execute("SET search_path = pg_temp, public, pg_catalog")
            for table in TABLES:
                session.execute(f"CREATE TEMP TABLE {table} (x pg_catalog.int4)")
            for name in types:
                session.execute(f"CREATE TYPE pg_temp.{name} AS ENUM ('shadow')")
            call = "SELECT public.ledger_post(%s, 'test', %s, %s, 'CNY', %s, %s, '{7}', %s, %s)::pg_catalog.text"
            new = Books()
            hold_no = fresh("hld")
            session.execute("SELECT public.ledger_hold(%s, %s, 7, 'x')", [hold_no, books.payer])
            for debit, credit, spend, hold in (
                (books.payer, books.pending, None, None),
                (books.payer, new.pending, None, None),
                (books.payer, books.pending, None, [hold_no]),
                (books.pending, new.payer, [True], None),
            ):
                posted = session.execute(
                    call, [fresh("jnl"), fresh(), DAY, [debit], [credit], spend, hold]
                ).fetchone()
                assert posted is not None
                assert posted[0] is not None
            for event_id, amount in ((fresh(), 10**9), (books.payer, 3), (books.payer, 3)):
                answer = session.execute(
                    "SELECT public.ledger_post(%s, 'test', %s, %s, 'CNY', %s, %s, ARRAY[%s]::pg_catalog.int8[])",
                    [fresh("jnl"), event_id, DAY, [books.payer], [books.pending], amount],
                ).fetchone()
                assert (answer == (None,)) is (amount == 10**9)
            session.execute("SELECT public.ledger_roll_up(5)")
            session.rollback()

    def test_models_declare_it(self):
        for model in apps.get_app_config("ledger").get_models():
            assert model.database_access == grants.READ_ONLY

    def test_the_orm_is_refused_as_well(self, books):
        journal = Journal.objects.latest("created_at")
        before = books.state()
        for act in (
            lambda: Journal.objects.filter(pk=journal.pk).delete(),
            lambda: Posting.objects.filter(journal_no=journal.pk).update(amount=1),
            journal.save,
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                act()
        assert books.state() == before


class TestOwner:
    """The guards that remain when rights do not."""

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_posting SET amount = 1",
            "UPDATE ledger_journal SET currency = 'USD'",
            "UPDATE ledger_account SET owner = 'x'",
            "UPDATE ledger_transition SET to_status = 'OPEN'",
            "UPDATE ledger_payer_balance SET account_id = 0",
            "UPDATE ledger_hold SET amount = 1",
            "UPDATE ledger_hold SET status = 'GONE'",
            *(f"DELETE FROM {table}" for table in TABLES),
        ],
    )
    def test_is_stopped_by_triggers(self, books, closed_day, owner_connection, statement):
        with pytest.raises(psycopg.Error) as error, owner_connection.transaction():
            owner_connection.execute(statement)
        assert error.value.sqlstate == "PC900"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_payer_balance SET held = balance + 1",
            "UPDATE ledger_payer_balance SET held = -1",
            "UPDATE ledger_payer_balance SET balance = -1, held = -1",
            "UPDATE ledger_hold SET status = 'CAPTURED' WHERE status = 'OPEN'",
            (INTO_POSTING + " VALUES ('x', 1, 1, 2, 0, 'CNY')"),
            (INTO_POSTING + " VALUES ('x', 1, 1, 1, 5, 'CNY')"),
            (
                "INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)"
                " VALUES ('L10:x:CNY', 'L10', 'y', 'CNY', 1)"
            ),
            (
                "INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)"
                " VALUES ('A10:x:CNY', 'A10', 'x', 'CNY', 1)"
            ),
            (
                "INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)"
                " VALUES ('Z10:x:CNY', 'Z10', 'x', 'CNY', 1)"
            ),
        ],
    )
    def test_is_stopped_by_checks(self, books, owner_connection, statement):
        with pytest.raises(psycopg.errors.CheckViolation), owner_connection.transaction():
            owner_connection.execute(statement)

    def test_a_hold_begins_open(self, books, owner_connection):
        with pytest.raises(psycopg.Error) as error:
            owner_connection.execute(
                "INSERT INTO ledger_hold (hold_no, account_id, amount, reference, status, resolved_at)"
                " SELECT 'hld_x', account_id, 1, 'x', 'RELEASED', now() FROM ledger_hold LIMIT 1"
            )
        assert error.value.sqlstate == "PC900"
        assert query("SELECT 1 FROM ledger_hold WHERE hold_no = 'hld_x'") == []

    def test_a_resolved_hold_stays_resolved(self, books, owner_connection):
        hold_no = books.hold(1)
        books.release(hold_no)
        with pytest.raises(psycopg.Error) as error:
            owner_connection.execute(
                "UPDATE ledger_hold SET status = 'OPEN', resolved_at = NULL WHERE hold_no = %s",
                [hold_no],
            )
        assert error.value.sqlstate == "PC900"
