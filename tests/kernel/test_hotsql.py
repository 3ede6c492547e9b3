"""The hottest statements: prepared once for each connection, and again when the connection has forgotten them."""

from __future__ import annotations

import itertools
import os

import psycopg
import pytest
from django.db import connection, transaction

from paymentplatform.kernel.errors import NotFound, Unavailable
from paymentplatform.kernel.hotsql import HotStatement, encode_array
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.roundtrips import counting_round_trips

_numbers = itertools.count()


def new_statement(sql: str = "SELECT $1::int", *, retry_safe: bool = False) -> HotStatement:
    """A statement under a fresh name."""
    return HotStatement(name=f"test_{next(_numbers)}", sql=sql, retry_safe=retry_safe)


def forget_prepared_statements() -> None:
    """Roll a transaction back, after which psycopg deallocates everything the connection has prepared."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::int", [1])
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def test_it_is_one_round_trip_once_it_is_prepared():
    statement = new_statement()
    statement.execute([1])
    with counting_round_trips() as seen:
        assert statement.execute([7]) == [[b"7"]]
    assert (seen.statements, seen.on_the_wire) == ([statement.name], 1)


def test_it_is_prepared_again_after_a_rollback_has_taken_it():
    statement = new_statement()
    statement.execute([1])
    forget_prepared_statements()
    assert statement.execute([2]) == [[b"2"]]


def test_one_that_was_forgotten_does_not_disturb_one_that_came_after():
    before, after = new_statement(), new_statement()
    before.execute([1])
    forget_prepared_statements()
    after.execute([2])
    assert before.execute([3]) == [[b"3"]]
    assert after.execute([4]) == [[b"4"]]


def test_a_refusal_of_the_database_is_the_named_error():
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION pg_temp.refuse() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION USING ERRCODE = 'PC400', MESSAGE = 'not_found', DETAIL = 'nobody'; END $$"
        )
    with pytest.raises(NotFound, match="nobody"):
        new_statement("SELECT pg_temp.refuse()").execute([])


def end_this_connection(admin_address: str) -> None:
    """Have the server end the default connection, as a restart would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(admin_address, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.fixture
def admin_address() -> str:
    """The server's administrator, whom only throw-away servers tell us."""
    address = os.environ.get("TEST_ADMIN_DATABASE_URL")
    if not address:
        pytest.skip("TEST_ADMIN_DATABASE_URL is not set")
    return address


def test_a_lost_connection_is_replaced_when_repeating_is_safe(admin_address: str):
    statement = new_statement(retry_safe=True)
    statement.execute([1])
    end_this_connection(admin_address)
    assert statement.execute([5]) == [[b"5"]]


def test_a_lost_connection_leaves_the_effect_unknown_otherwise(admin_address: str):
    statement = new_statement()
    statement.execute([1])
    end_this_connection(admin_address)
    with pytest.raises(Unavailable):
        statement.execute([5])
    assert statement.execute([6]) == [[b"6"]]


def test_it_runs_in_no_transaction_but_its_own():
    with transaction.atomic(), pytest.raises(TransactionMisuse):
        new_statement().execute([1])


def test_arrays_arrive_as_they_were_sent():
    values = ["", "NULL", None, 'a"b', "c\\d", "{e,f}", "g h", "支付", "\\\"'"]
    statement = new_statement("SELECT unnest($1::text[])")
    found = statement.execute([encode_array(values)])
    assert [None if value is None else value.decode() for (value,) in found] == values
    numbers = new_statement("SELECT sum(n) FROM unnest($1::bigint[]) AS n")
    assert numbers.execute([encode_array([1, 2, 39])]) == [[b"42"]]
