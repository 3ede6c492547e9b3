"""What the application's role may do in the database: what its models declare, and nothing else."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps as installed
from django.db import connection, models

from paymentplatform.kernel import grants
from tests.architecture.sources import our_models
from tests.environment import application_role

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_MONEY_APPS = {"acquiring", "engine", "ledger", "checkout"}
_BOOKKEEPING = {
    "acquiring_idempotency_key",
    "acquiring_used_nonce",
    "checkout_wallet_session",
}
"""Tables beside the money: their rows end by time, and nothing is owed to anybody because of them."""

_EXPLAINING = {
    "checkout_balance_use",
    "checkout_consult_decision",
    "checkout_risk_decision",
}
"""They say why something was decided, and are forgotten after their time; a trigger holds the latest days."""

every_model = pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label)


def rights_on(table: str) -> tuple[str, ...]:
    """Ask the database what the application's role may do with a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r FROM unnest(%s::text[]) AS r WHERE has_table_privilege(%s, %s, r)",
            [list(_RIGHTS), application_role(), table],
        )
        return tuple(right for (right,) in cursor.fetchall())


def refused(statement: str) -> str | None:
    """Try a statement with the application's role, roll back; return the SQLSTATE of the refusal."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as application:
        try:
            application.execute(statement)
        except psycopg.Error as error:
            return error.sqlstate
        finally:
            application.rollback()
    return None


@every_model
class TestEveryModel:
    def test_declares_what_the_application_may_do(self, model: type[models.Model]):
        assert getattr(model, "database_access", None) in {
            grants.READ_ONLY,
            grants.APPEND_ONLY,
            grants.MUTABLE,
            grants.RECORDS,
            grants.FULL,
        }
        assert (model.database_access == grants.RECORDS) == (model._meta.db_table in _EXPLAINING)

    def test_real_rights_are_the_declared_ones(self, model: type[models.Model]):
        assert set(rights_on(model._meta.db_table)) == set(model.database_access)

    def test_money_is_never_deletable(self, model: type[models.Model]):
        if model._meta.app_label in _MONEY_APPS and model._meta.db_table not in (
            _BOOKKEEPING | _EXPLAINING
        ):
            assert "DELETE" not in model.database_access

    def test_table_is_named_after_its_app(self, model: type[models.Model]):
        assert model._meta.db_table.startswith(f"{model._meta.app_label}_")


@pytest.mark.parametrize("right", ["TRUNCATE", "REFERENCES", "TRIGGER"])
def test_no_table_at_all_gives_structural_rights(right: str):
    given = [
        model._meta.db_table
        for model in installed.get_models(include_auto_created=True)
        if right in rights_on(model._meta.db_table)
    ]
    assert given == []


class TestRole:
    def test_default_connection_is_the_application(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, session_user")
            assert cursor.fetchone() == (application_role(), application_role())

    def test_it_owns_nothing_and_is_nobody_special(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,"
                " (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relnamespace >= 16384"
                "   AND relpersistence <> 't'),"
                " (SELECT count(*) FROM pg_class WHERE relowner = r.oid"
                "   AND relnamespace = 'public'::regnamespace),"
                " (SELECT count(*) FROM pg_proc WHERE proowner = r.oid),"
                " (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)"
                " FROM pg_roles r WHERE rolname = current_user"
            )
            assert cursor.fetchone() == (False, 0, 0, 0, 0)

    @pytest.mark.parametrize(
        "statement",
        [
            "SET session_replication_role = replica",
            "CREATE TABLE public.sneaked (a int)",
            "CREATE FUNCTION public.sneaked() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION platform_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
            "UPDATE test_clock SET offset_s = 1",
            f"SET ROLE {urlsplit(os.environ['MIGRATION_DATABASE_URL']).username}",
            "DELETE FROM django_migrations",
        ],
    )
    def test_it_cannot_walk_round_the_guards(self, statement: str):
        assert refused(statement) == "42501"

    @pytest.mark.parametrize(
        "table",
        sorted(
            {model._meta.db_table for model in our_models() if model._meta.app_label in _MONEY_APPS}
            - _BOOKKEEPING
        ),
    )
    def test_it_cannot_touch_the_substance_of_a_money_table(self, table: str):
        for statement in (
            *(() if table in _EXPLAINING else ("DELETE FROM {}",)),
            "TRUNCATE {}",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "ALTER TABLE {} DISABLE TRIGGER USER",
            "ALTER TABLE {} ADD COLUMN sneaked int",
            "DROP TABLE {}",
        ):
            assert refused(statement.format(table)) == "42501", statement


class TestFunctionsWithTheOwnersRights:
    def test_each_pins_its_search_path(self):
        """Otherwise a caller could put a table of its own in front of ours."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
                " AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=%%')"
            )
            assert cursor.fetchall() == []

    def test_only_the_ledger_has_some(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            )
            assert {name.partition("_")[0] for (name,) in cursor.fetchall()} <= {"ledger"}
