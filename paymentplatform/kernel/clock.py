"""One clock: the database's. Hosts may disagree about the time; due rows must not."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection


def database_now() -> datetime:
    """Return ``platform_now()``: the transaction's time, plus the offset that only tests and demo can set."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT platform_now()")
        now: datetime = cursor.fetchone()[0]
    return now


def business_date(at: datetime) -> date:
    """Return the day in BUSINESS_TIME_ZONE to which this moment belongs: its accounting date."""
    return at.astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)).date()
