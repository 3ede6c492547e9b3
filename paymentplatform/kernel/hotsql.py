"""Prepared statements on libpq's own level, for the three or four hottest calls and nothing else.

``exec_prepared`` costs 54 µs where a cursor costs 94 (docs/decisions/0006). Rules: one statement per call, never
inside ``atomic()``, on an autocommit connection whose server enforces ``statement_timeout``; text in, bytes out.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ConnStatus, ExecStatus

from paymentplatform.kernel.errors import DomainError, Unavailable, error_for_code
from paymentplatform.kernel.transactions import forbid_transaction

REFUSED_SQLSTATE = "PC400"
"""Our SQL functions raise this with a domain error code as MESSAGE; the statement then changed nothing."""

_NOT_PREPARED = "26000"

observers: list[Callable[[str], None]] = []
"""Called with the statement's name on every round trip; tests count with it."""


class RolledBack(Unavailable):
    """The server gave up on the statement (a lock, a deadlock, its time was over) and said so: nothing was written."""


_prepared: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class HotStatement:
    """One named statement. ``retry_safe`` says that running it twice has the effect of running it once."""

    name: str
    sql: str
    retry_safe: bool = False

    def execute(
        self,
        parameters: Sequence[str | bytes | int | None],
        *,
        on: BaseDatabaseWrapper | None = None,
    ) -> list[list[bytes | None]]:
        """Run it in a transaction of its own and return the rows as raw text columns.

        ``on`` is a connection that the caller has for itself; this thread's without.
        Raises the named DomainError when a function refused, RolledBack when the server gave up, Unavailable when
        the connection was lost (the effect is then unknown unless ``retry_safe``: then it is tried once more first).
        """
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            forbid_transaction(self.name)
        wrapper = on or connections[DEFAULT_DB_ALIAS]
        for observe in observers:
            observe(self.name)
        encoded = [_encode(value) for value in parameters]
        try:
            return self._run(wrapper, encoded)
        except psycopg.OperationalError as error:
            if wrapper.connection is None or wrapper.connection.pgconn.status == ConnStatus.OK:
                raise RolledBack from error
            wrapper.close()
            if not self.retry_safe:
                raise Unavailable from error
        try:
            return self._run(wrapper, encoded)
        except psycopg.OperationalError as error:
            raise Unavailable from error

    def _run(
        self, wrapper: BaseDatabaseWrapper, encoded: list[bytes | None]
    ) -> list[list[bytes | None]]:
        pgconn = self._ready_connection(wrapper)
        result = pgconn.exec_prepared(self._name, encoded)
        if result.status != ExecStatus.TUPLES_OK and _sqlstate(result) == _NOT_PREPARED:
            # psycopg sends DEALLOCATE ALL after every rollback; nothing has been executed yet. Only this one
            # is known to be gone: another may have been prepared since.
            _prepared[wrapper.connection].discard(self.name)
            pgconn = self._ready_connection(wrapper)
            result = pgconn.exec_prepared(self._name, encoded)
        if result.status == ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            return [
                [result.get_value(row, column) for column in columns]
                for row in range(result.ntuples)
            ]
        raise _error_of(result)

    @property
    def _name(self) -> bytes:
        return self.name.encode()

    def _ready_connection(self, wrapper: BaseDatabaseWrapper) -> Any:
        wrapper.ensure_connection()
        if wrapper.connection.pgconn.status != ConnStatus.OK:
            wrapper.close()
            wrapper.ensure_connection()
        pgconn = wrapper.connection.pgconn
        names = _prepared.get(wrapper.connection)
        if names is None:
            names = _prepared.setdefault(wrapper.connection, set())
        if self.name not in names:
            result = pgconn.prepare(self._name, self.sql.encode())
            if result.status != ExecStatus.COMMAND_OK:
                raise _error_of(result)
            names.add(self.name)
        return pgconn


def _encode(value: str | bytes | int | None) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


def encode_array(values: Sequence[str | int | None]) -> bytes:
    """Write an array parameter as the server reads it."""
    return f"{{{','.join(map(_encode_element, values))}}}".encode()


def _encode_element(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def _sqlstate(result: Any) -> str:
    if result.status == ExecStatus.TUPLES_OK:
        return ""
    return (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()


def _error_of(result: Any) -> Exception:
    """Turn a failed result into the domain error it names, or psycopg's own exception."""
    from_field = psycopg.pq.DiagnosticField
    sqlstate = _sqlstate(result)
    message = (
        result.error_field(from_field.MESSAGE_PRIMARY) or result.error_message or b""
    ).decode()
    if sqlstate == REFUSED_SQLSTATE:
        detail = (result.error_field(from_field.MESSAGE_DETAIL) or b"").decode()
        return error_for_code(message, detail)
    if not sqlstate:
        return psycopg.OperationalError(message)
    try:
        error_class = psycopg.errors.lookup(sqlstate)
    except KeyError:
        error_class = psycopg.DatabaseError
    return error_class(message)


def refusal_of(error: BaseException) -> DomainError | None:
    """Return the domain error inside a Django database exception, or None when it is something else."""
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate == REFUSED_SQLSTATE:
        return error_for_code(cause.diag.message_primary or "", cause.diag.message_detail or "")
    return None
