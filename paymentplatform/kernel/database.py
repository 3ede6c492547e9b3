"""SQL expressions that models of several apps use."""

from __future__ import annotations

from typing import Any

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
