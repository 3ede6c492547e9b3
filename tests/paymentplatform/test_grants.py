"""The application's role may do what models declare and nothing else; guards have no switch."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, transaction

from paymentplatform.console.models import AuditLog
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.console.services.grants import apply_grants, declared_rights
from paymentplatform.kernel import grants, numbers
from paymentplatform.kernel.errors import InvalidRequest, PermissionRefused
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.environment import ROOT

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

PATH_KEPT_FOR_SPEED = {"ledger_post"}
"""Names every table and function with its schema instead; tests/ledger prove that nothing is shadowed."""


def test_every_table_has_exactly_its_declared_rights() -> None:
    declared = declared_rights()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, array_agg(r ORDER BY r) FILTER (WHERE has_table_privilege(current_user, c.oid, r))"
            " FROM pg_class c, unnest(%s::text[]) r WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') GROUP BY relname",
            [list(RIGHTS)],
        )
        actual = {name: tuple(rights or ()) for name, rights in cursor.fetchall()}
    wanted = {name: tuple(sorted(declared.get(name, grants.READ_ONLY))) for name in actual}
    assert actual == wanted
    assert set(declared) <= set(actual)


def test_the_application_owns_nothing() -> None:
    """But what ends with its session."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relowner = current_user::regrole AND relpersistence <> 't'"
            " UNION ALL SELECT proname FROM pg_proc WHERE proowner = current_user::regrole"
            " AND NOT starts_with(pronamespace::regnamespace::text, 'pg_temp_')"
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT has_schema_privilege('public', 'CREATE')")
        assert cursor.fetchone() == (False,)


def test_the_public_may_call_and_read_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            " WHERE pronamespace = 'public'::regnamespace AND grantee = 0"
            " UNION ALL SELECT relname FROM pg_class, aclexplode(relacl)"
            " WHERE relnamespace = 'public'::regnamespace AND grantee = 0"
        )
        assert cursor.fetchall() == []


def test_a_function_with_the_owners_power_names_its_search_path() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND NOT coalesce(array_to_string(proconfig, ','), '') LIKE '%%search_path=%%'"
        )
        assert {name for (name,) in cursor.fetchall()} <= PATH_KEPT_FOR_SPEED


def test_applying_twice_changes_nothing_and_takes_back_too_much(
    owner_connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = connection.settings_dict["USER"]
    owner_connection.execute(f"GRANT DELETE, TRUNCATE ON console_audit_log TO {role}")
    apply_grants(using="owner")
    apply_grants(using="owner")
    test_every_table_has_exactly_its_declared_rights()


def test_a_wrong_declaration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AuditLog, "database_access", ("SELECT", "TRUNCATE"))
    with pytest.raises(ValueError, match="AuditLog"):
        declared_rights()


def test_no_money_table_can_be_deleted_from() -> None:
    """What is forgotten after a while is no money and no history."""
    declared = declared_rights()
    tables = [
        model._meta.db_table
        for label in ("ledger", "engine", "acquiring", "checkout", "console")
        for model in apps.get_app_config(label).get_models()
    ]
    assert {table for table in tables if "DELETE" in declared[table]} <= {
        "acquiring_idempotency_key",
        "acquiring_used_nonce",
        "checkout_balance_use",
        "checkout_consult_decision",
        "checkout_risk_decision",
        "checkout_wallet_session",
        "console_operator_session",
        "console_saved_view",
    }


def test_a_session_cannot_switch_guards_off(owner_connection: psycopg.Connection) -> None:
    number = numbers.new_number("tst")
    write_line(number)
    (triggers,) = owner_connection.execute(
        "SELECT array_agg(tgname::text) FROM pg_trigger WHERE tgrelid = 'console_audit_log'::regclass"
    ).fetchone() or ([],)
    owner_connection.execute(
        "SELECT set_config('pgtrigger.ignore', %s::text[]::text, false)", [triggers]
    )
    for statement in (
        "UPDATE console_audit_log SET reason = 'x' WHERE object_no = %s",
        "DELETE FROM console_audit_log WHERE object_no = %s",
    ):
        with pytest.raises(psycopg.DatabaseError, match="never"):
            owner_connection.execute(statement, [number])
    assert AuditLog.objects.get(object_no=number).reason == "because"


def write_line(number: str) -> AuditLog:
    user = User(username="alice")
    with transaction.atomic():
        return record_operator_action(
            operator=user,
            action="order.close",
            object_no=number,
            reason=" because ",
            before={"secret_key": "sk_live_1234567890", "status": "INIT"},
            after={"status": "CLOSED"},
        )


def test_an_act_of_an_operator_is_written_down_without_secrets() -> None:
    number = numbers.new_number("tst")
    write_line(number)
    line = AuditLog.objects.get(object_no=number)
    assert (line.operator, line.action, line.reason) == ("alice", "order.close", "because")
    assert line.before == {"secret_key": "[redacted]", "status": "INIT"}
    assert line.at is not None


def test_an_act_needs_a_transaction_a_reason_and_somebody() -> None:
    from django.contrib.auth.models import AnonymousUser

    number = numbers.new_number("tst")
    arguments = {"action": "x", "object_no": number, "reason": "because"}
    with pytest.raises(TransactionMisuse):
        record_operator_action(operator=User(username="alice"), **arguments)
    with pytest.raises(PermissionRefused), transaction.atomic():
        record_operator_action(operator=AnonymousUser(), **arguments)
    with pytest.raises(InvalidRequest), transaction.atomic():
        record_operator_action(operator=User(username="alice"), **(arguments | {"reason": "  "}))
    assert not AuditLog.objects.filter(object_no=number).exists()


def test_two_migrations_at_once_wait_for_each_other() -> None:
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors.decode()
