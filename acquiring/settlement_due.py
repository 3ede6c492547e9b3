"""What merchants are to get by settlement as of now: a read for the first page of operators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db import connection

from acquiring.business_calendar import find_cutoff
from acquiring.models import BusinessDay
from paymentplatform.kernel.clock import business_date, database_now

MOST_ITEMS: Final = 1_000
"""So many items of a merchant and currency are counted: a run that goes every few minutes leaves fewer."""
_LOOK_BACK: Final = timedelta(days=800)
_ACCOUNTS: Final = """
    SELECT a.merchant_no, a.currency, COALESCE((
        SELECT c.settlement_days FROM acquiring_fee_contract AS c
        WHERE c.merchant_id = a.merchant_no AND c.valid_from <= platform_now()
        ORDER BY c.valid_from DESC LIMIT 1), 1)
    FROM acquiring_settlement_account AS a
"""
_DUE: Final = """
    SELECT a.currency, count(*) FILTER (WHERE d.items > 0)::int, sum(d.items)::int, sum(d.amount)::bigint,
        min(d.oldest), bool_or(d.items = %(most)s)
    FROM unnest(%(merchants)s::text[], %(currencies)s::text[], %(cutoffs)s::date[]) AS a (merchant_no, currency, cutoff)
    CROSS JOIN LATERAL (
        SELECT count(*) AS items, sum(i.amount - i.fee_amount) AS amount, min(i.accounting_date) AS oldest
        FROM (SELECT amount, fee_amount, accounting_date FROM acquiring_settlement_item AS i
              WHERE i.merchant_no = a.merchant_no AND i.currency = a.currency AND i.batch_no IS NULL
                AND i.accounting_date <= a.cutoff
              ORDER BY i.accounting_date, i.journal_no LIMIT %(most)s) AS i
    ) AS d
    WHERE d.items > 0 GROUP BY a.currency ORDER BY a.currency
"""


@dataclass(frozen=True, slots=True)
class SettlementDue:
    """What is due in one currency and not released yet; ``amount`` in minor units, after fees and before refunds.

    ``oldest_date`` is the business day of the oldest payment in it. ``is_more``: a merchant has more items than were
    counted, so it is at least that much.
    """

    currency: str
    merchants: int
    items: int
    amount: int
    oldest_date: date
    is_more: bool


def list_settlement_due() -> list[SettlementDue]:
    """Return by currency what the next run of settlement would release, and what risk holds keep of it."""
    accounts = list(_list_accounts())
    parameters: dict[str, Any] = {
        "most": MOST_ITEMS,
        "merchants": [merchant_no for merchant_no, _currency, _cutoff in accounts],
        "currencies": [currency for _merchant_no, currency, _cutoff in accounts],
        "cutoffs": [cutoff for _merchant_no, _currency, cutoff in accounts],
    }
    with connection.cursor() as cursor:
        cursor.execute(_DUE, parameters)
        return [SettlementDue(*row) for row in cursor.fetchall()]


def _list_accounts() -> Iterator[tuple[str, str, date]]:
    """Yield merchant, currency, and the last business day whose payments are due to it today."""
    today = business_date(database_now())
    days = BusinessDay.objects.filter(day__gte=today - _LOOK_BACK, day__lte=today)
    calendar = dict(days.values_list("day", "is_open"))
    cutoffs: dict[int, date] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS)
        found = cursor.fetchall()
    for merchant_no, currency, settlement_days in found:
        if settlement_days not in cutoffs:
            cutoffs[settlement_days] = find_cutoff(
                today, settlement_days=settlement_days, calendar=calendar
            )
        yield merchant_no, currency, cutoffs[settlement_days]
