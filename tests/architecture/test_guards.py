"""The database refuses by itself what no code should try: shown by raw SQL with the application's rights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from paymentplatform.kernel.statemachine import Machine
from tests.architecture.sources import machines_with_models
from tests.environment import application_role

every_guarded_machine = pytest.mark.parametrize(
    "machine", machines_with_models(), ids=lambda machine: machine.name
)

_OTHER_VALUES = {
    "text": "'new'",
    "character varying": "'new'",
    "bigint": "42",
    "integer": "42",
    "date": "DATE '2001-01-01'",
    "timestamp with time zone": "TIMESTAMPTZ '2001-01-01 00:00Z'",
    "boolean": "true",
    "jsonb": "'[]'",
}


@contextmanager
def planted_row(owner_address: str, machine: Machine, state: str) -> Iterator[psycopg.Connection]:
    """Give a row in this state on the real table and a connection with the application's rights; roll back.

    Everything that would ask for more columns is taken off the table inside the same transaction. Where the
    server's administrator is not known, the connection keeps the owner's rights: triggers bind the owner too.
    """
    address = os.environ.get("TEST_ADMIN_DATABASE_URL")
    if address:
        address = address.rpartition("/")[0] + "/" + owner_address.rpartition("/")[2]
    with psycopg.connect(address or owner_address) as connection:
        try:
            connection.execute("SET LOCAL lock_timeout = '10s'")
            _strip_constraints(connection, machine)
            _write(connection, machine, "ALTER TABLE {table} DISABLE TRIGGER USER")
            _write(
                connection,
                machine,
                "INSERT INTO {table} ({key}, {column}) VALUES ('planted', {state})",
                state,
            )
            _write(connection, machine, "ALTER TABLE {table} ENABLE TRIGGER USER")
            if address:
                _become_writer(connection, machine)
            yield connection
        finally:
            connection.rollback()


def _become_writer(connection: psycopg.Connection, machine: Machine) -> None:
    """Take the application's rights, or its owner's for a table that only the owner's functions write."""
    row = connection.execute(
        "SELECT has_table_privilege(%s, %s, 'UPDATE'), tableowner FROM pg_tables"
        " WHERE schemaname = 'public' AND tablename = %s",
        [application_role(), machine.table, machine.table],
    ).fetchone()
    assert row is not None
    writer = application_role() if row[0] else row[1]
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(writer)))


def _strip_constraints(connection: psycopg.Connection, machine: Machine) -> None:
    constraints = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'f', 'u', 'x')",
        [machine.table],
    ).fetchall()
    for (name,) in constraints:
        _write(connection, machine, "ALTER TABLE {table} DROP CONSTRAINT {name}", name=name)
    rules = connection.execute(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE 'pgtrigger_rules_%%'",
        [machine.table],
    ).fetchall()
    for (name,) in rules:
        _write(connection, machine, "DROP TRIGGER {name} ON {table}", name=name)
    required = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnotnull AND attnum > 0"
        " AND attidentity = '' AND attname <> %s AND attname <> %s",
        [machine.table, machine.key, machine.column],
    ).fetchall()
    for (name,) in required:
        _write(
            connection, machine, "ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL", name=name
        )


def _write(
    connection: psycopg.Connection,
    machine: Machine,
    statement: str,
    state: str = "",
    name: str = "",
) -> psycopg.Cursor:
    return connection.execute(
        sql.SQL(statement).format(
            table=sql.Identifier(machine.table),
            key=sql.Identifier(machine.key),
            column=sql.Identifier(machine.column),
            state=sql.Literal(state),
            name=sql.Identifier(name or "none"),
        )
    )


def _accepted(
    connection: psycopg.Connection, machine: Machine, statement: str, state: str = ""
) -> bool:
    """Try one write in a savepoint; False when our own guard refused it, any other error is a fault."""
    try:
        with connection.transaction(force_rollback=True):
            cursor = _write(connection, machine, statement, state)
            assert cursor.rowcount == 1
    except psycopg.Error as error:
        if error.sqlstate != "PC900":
            raise
        return False
    return True


_PLANTED = "WHERE {key} = 'planted'"


@every_guarded_machine
class TestDatabaseGuard:
    def test_raw_sql_makes_exactly_the_declared_moves(self, machine: Machine, owner_address: str):
        accepted = set()
        for source in machine.states:
            with planted_row(owner_address, machine, source) as connection:
                accepted |= {
                    (source, target)
                    for target in machine.states
                    if _accepted(
                        connection,
                        machine,
                        f"UPDATE {{table}} SET {{column}} = {{state}} {_PLANTED}",
                        target,
                    )
                }
                assert not _accepted(
                    connection,
                    machine,
                    f"UPDATE {{table}} SET {{column}} = {{state}} {_PLANTED}",
                    "NO_SUCH",
                )
        standing_still = {(state, state) for state in machine.states}
        assert accepted - standing_still == set(machine.moves)

    def test_a_row_is_born_in_the_first_state_only(self, machine: Machine, owner_address: str):
        with planted_row(owner_address, machine, machine.initial) as connection:
            statement = "INSERT INTO {table} ({key}, {column}) VALUES ('born', {state})"
            born = {
                state
                for state in machine.states
                if _accepted(connection, machine, statement, state)
            }
        assert born == {machine.initial}

    def test_identity_columns_never_change(self, machine: Machine, owner_address: str):
        assert machine.key in machine.frozen
        with psycopg.connect(owner_address) as owner:
            types = dict(
                owner.execute(
                    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
                    [machine.table],
                ).fetchall()
            )
        with planted_row(owner_address, machine, machine.initial) as connection:
            for name in machine.frozen:
                statement = (
                    f'UPDATE {{table}} SET "{name}" = {_OTHER_VALUES[types[name]]} {_PLANTED}'
                )
                assert not _accepted(connection, machine, statement), (
                    f"{machine.table}.{name} changed"
                )

    def test_no_row_is_deleted_even_by_the_owner(self, machine: Machine, owner_address: str):
        with psycopg.connect(owner_address) as owner, owner.transaction(force_rollback=True):
            _strip_constraints(owner, machine)
            _write(
                owner,
                machine,
                "INSERT INTO {table} ({key}, {column}) VALUES ('planted', {state})",
                machine.initial,
            )
            assert not _accepted(owner, machine, f"DELETE FROM {{table}} {_PLANTED}")
