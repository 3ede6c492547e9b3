"""One clock: the database's. Hosts may disagree about the time; due rows must not."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """Return ``platform_now()``: the transaction's time, plus the offset that only tests and demo can set."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT platform_now()")
        now: datetime = cursor.fetchone()[0]
    return now
