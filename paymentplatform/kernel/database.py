"""SQL expressions that models of several apps use, and how operators' lists are planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import DateTimeField, Func, TextField


class PlatformNow(Func):
    """``platform_now()``: the one clock of the platform (see ``kernel.clock``)."""

    function = "platform_now"
    template = "%(function)s()"
    output_field = DateTimeField()


class NumberField(TextField):  # type: ignore[type-arg]
    """A column for public numbers (``kernel.numbers``), as primary key, unique key or reference.

    Written as ``pg_catalog.text`` so that Django does not add its second index for LIKE searches, which nobody
    makes and every insert would pay for.
    """

    def db_type(self, connection: Any) -> str:
        """Name the column type in the form that gets no pattern index."""
        return "pg_catalog.text"

    def rel_db_type(self, connection: Any) -> str:
        """Make foreign keys the same."""
        return "pg_catalog.text"


@contextmanager
def plan_for_these_values() -> Iterator[None]:
    """Let the database plan what is asked inside for its very values, not once for all.

    After some repetitions it would take one plan for all values, and that one cannot use an index of rare values.
    Payments are asked for by number and keep theirs; operators' pages ask for what is rare.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_custom_plan")
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute("RESET plan_cache_mode")
        except DatabaseError:
            connection.close()  # the next one begins as usual
