"""Call our own SQL functions through the ordinary connection, inside or outside a transaction."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection

from paymentplatform.kernel.hotsql import refusal_of


def call_function(name: str, *parameters: Any) -> Any:
    """Return the value of ``SELECT name(parameters…)``.

    ``name`` is a constant of ours, never input. A refusal inside the function arrives as its named DomainError.
    """
    places = ", ".join(["%s"] * len(parameters))
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {name}({places})", parameters)
            return cursor.fetchone()[0]
    except DatabaseError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from error
