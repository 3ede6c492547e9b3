"""PostgreSQL's 64-bit transaction ids as a column."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Func


class XactIdField(models.Field):  # type: ignore[type-arg]
    """An ``xid8`` column, an ``int`` in Python. The database writes it; the application never does."""

    def db_type(self, connection: Any) -> str:
        """Return the column's type."""
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        """Read the text that the driver gives."""
        return None if value is None else int(value)


class CurrentXactId(Func):
    """``pg_current_xact_id()``: the id of the transaction that writes the row."""

    function = "pg_current_xact_id"
    template = "%(function)s()"
    output_field = XactIdField()
