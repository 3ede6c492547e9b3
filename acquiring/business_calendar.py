"""Business days 工作日: on which days money becomes available, and which payments are due by a day. Pure.

Saturdays and Sundays are closed unless the calendar says otherwise; the calendar's own days (holidays, and weekends
that are worked) are data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

MAX_SETTLEMENT_DAYS: Final = 365
_LONGEST_BREAK: Final = 60
"""No calendar closes for longer; it bounds every search."""

Calendar = Mapping[date, bool]
"""Exceptions from the rule of the week: day → is it open."""


def is_business_day(day: date, calendar: Calendar) -> bool:
    """Tell whether banks work on this day."""
    return calendar.get(day, day.weekday() < 5)


def find_due_date(paid_on: date, *, settlement_days: int, calendar: Calendar) -> date:
    """Return when a payment of this day becomes available: T+n, the n-th business day after it.

    T+0 is the day itself, or the next business day. Raises ValueError for a calendar that never opens.
    """
    day, left = paid_on, settlement_days
    for _ in range(2 * settlement_days + _LONGEST_BREAK * (1 + settlement_days // 5)):
        if left <= 0 and is_business_day(day, calendar):
            return day
        day += timedelta(days=1)
        if left > 0 and is_business_day(day, calendar):
            left -= 1
    message = f"no business day within reach of {paid_on}"
    raise ValueError(message)


def find_cutoff(settlement_date: date, *, settlement_days: int, calendar: Calendar) -> date:
    """Return the last day whose payments are due by ``settlement_date``; all earlier ones are due as well."""
    day = settlement_date
    while find_due_date(day, settlement_days=settlement_days, calendar=calendar) > settlement_date:
        day -= timedelta(days=1)
    return day
