"""Tables under an operator's page, made of what selectors return: frozen data in, cells out.

A field's name says how it is shown: ``…amount`` as money in the row's ``currency``, ``status`` as a label, and every
value that is a number of ours as a link to the page that its prefix is registered for.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.template.defaultfilters import date as format_date
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say

from paymentplatform.kernel.admin_codes import name_age, name_call, name_resolution, show_code, tell
from paymentplatform.kernel.admin_words import COLUMN_TITLES
from paymentplatform.kernel.money import format_amount, is_currency

GOOD: Final = frozenset(
    {
        "SUCCESS",
        "PAID",
        "DONE",
        "SUCCEEDED",
        "DELIVERED",
        "APPLIED",
        "CAPTURED",
        "ACTIVE",
        "APPROVED",
        "HOLDS",
        "ALLOW",
        "ENABLED",
    }
)
BAD: Final = frozenset(
    {
        "FAILED",
        "DEAD",
        "REFUSED",
        "UNMATCHED",
        "QUARANTINED",
        "UNKNOWN",
        "DISABLED",
        "OVERDUE",
        "BROKEN",
        "BLOCK",
        "REJECTED",
        "UNCOUNTED",
    }
)
WAITING: Final = frozenset(
    {
        "PAYING",
        "HELD",
        "PENDING",
        "SENT",
        "CREATED",
        "DUE",
        "OPEN",
        "PROPOSED",
        "REFUNDING",
        "PROCESSING",
        "REVIEW",
        "CONFIRM",
        "CHALLENGE",
    }
)

_GREEN: Final = "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400"
_RED: Final = "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400"
_BLUE: Final = "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400"
_NEUTRAL: Final = "bg-base-100 text-base-700 dark:bg-base-500/20 dark:text-base-200"
_SHADES: Final = (
    dict.fromkeys(GOOD, _GREEN) | dict.fromkeys(BAD, _RED) | dict.fromkeys(WAITING, _BLUE)
)
_AMOUNT: Final = re.compile(r"(?<![\w.,\-])(?P<amount>\d{1,15}) (?P<currency>[A-Z]{3})\b")
_OUR_NUMBER: Final = re.compile(r"[a-z]{3}_[0-9a-hjkmnp-tv-z]{22}")
_FOLLOWS: Final = frozenset({"currency"})
_SMALL: Final = frozenset(
    {"actor", "request_id", "detail_no", "channel_trade_no", "debit", "credit"}
)

MOVE_COLUMNS: Final = (
    "at",
    "object_no",
    "from_status",
    "to_status",
    "cause",
    "actor",
    "request_id",
)
"""How moves are shown everywhere; the number's prefix says which machine it was."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """One table under a page, ready for the template."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def build_page_table(title: Any, rows: Iterable[Any], *, columns: Sequence[str]) -> PageTable:
    """Make a table of rows (dataclasses, structs or models) from these attributes of theirs."""
    return PageTable(
        title=str(title),
        headers=tuple(name_column(column) for column in columns),
        rows=tuple(tuple(show_value(row, column) for column in columns) for row in rows),
    )


def name_column(column: str) -> str:
    """Return a column's heading in the operator's language."""
    return str(COLUMN_TITLES[column]) if column in COLUMN_TITLES else column.replace("_", " ")


def columns_of(kind: type) -> tuple[str, ...]:
    """Return a dataclass's own fields as columns, without what only explains another one."""
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in _FOLLOWS)


def show_value(row: Any, name: str) -> Any:
    """Return one attribute as a cell."""
    value = getattr(row, name)
    if value is None or value == "":
        return "–"
    if name.endswith("amount") or name in {
        "balance",
        "difference",
        "held",
        "max_per_payment",
        "max_per_day",
        "returned_fee",
    }:
        return show_money(value, row.currency)
    if name.endswith("status") or name == "result":
        return show_status(str(value))
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, datetime):
        return show_time(value)
    if name in _BY_NAME:
        return _BY_NAME[name](str(value))
    if name in _SMALL:
        return format_html('<span class="small font-mono text-xs">{}</span>', value)
    return link_number(value) if isinstance(value, str) else value


def show_money(amount: int, currency: str) -> SafeString:
    """Write minor units for people, on one line."""
    return format_html(
        '<span class="whitespace-nowrap">{} {}</span>', format_amount(amount, currency), currency
    )


def name_amounts(text: str) -> str:
    """Write the amounts in a text, such as ``1000 CNY``, for people: texts of the platform name minor units."""
    return _AMOUNT.sub(_name_amount, text)


def _name_amount(found: re.Match[str]) -> str:
    amount, currency = found["amount"], found["currency"]
    if not is_currency(currency):
        return found[0]
    return f"{format_amount(int(amount), currency)} {currency}"


_BY_NAME: Final[dict[str, Callable[[str], Any]]] = {
    "age": name_age,
    "detail": lambda text: tell(name_amounts(text)),
    "event_type": show_code,
    "kind": show_code,
    "operation": name_call,
    "reason": show_code,
    "resolution": name_resolution,
}


def clean_number(typed: str) -> str:
    """Return what was typed into a search box, a number of ours as it is written: lower case, no blanks."""
    closed = "".join(typed.split())
    return closed.lower() if _OUR_NUMBER.fullmatch(closed.lower()) else typed.strip()


def show_status(status: str) -> SafeString:
    """Write a state as a coloured label."""
    return format_html(
        '<span class="inline-block font-semibold h-6 leading-6 px-2 rounded-default text-[11px] '
        'whitespace-nowrap {}">{}</span>',
        _SHADES.get(status, _NEUTRAL),
        status,
    )


def show_time(at: datetime) -> SafeString:
    """Write a time to the second in the operators' zone, which is named; the exact one as a tooltip."""
    local = timezone.localtime(at)
    return format_html(
        '<time class="whitespace-nowrap" datetime="{0}" title="{0}">{1}</time>',
        at.isoformat(),
        format_date(local, "Y-m-d H:i:s O"),
    )


def link_number(value: str) -> str | SafeString:
    """Link a number to its page when its prefix has one; anything else stays text."""
    prefix, separator, _body = value.partition("_")
    found = _pages().get(prefix) if separator else None
    if found is None:
        return value
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500 font-mono text-xs" href="{}">{}</a>',
        reverse(f"admin:{found}_change", args=[value]),
        value,
    )


def link_list(prefix: str, term: str, words: str) -> str | SafeString:
    """Link the list that shows numbers with this prefix, searched for ``term``; plain words when there is none."""
    found = _pages().get(prefix)
    if found is None:
        return words
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}?q={}">{}</a>',
        reverse(f"admin:{found}_changelist"),
        term,
        words,
    )


def _pages() -> dict[str, str]:
    """Map each number prefix to the admin page that shows such objects; asked for every cell, so gathered once."""
    registry = admin.site._registry  # noqa: SLF001 - there is no public way to ask
    return _gather_pages(len(registry))


@functools.cache
def _gather_pages(_registered: int) -> dict[str, str]:
    found = {}
    for model, page in admin.site._registry.items():  # noqa: SLF001
        prefix = getattr(page, "number_prefix", "")
        if prefix:
            found[prefix] = f"{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001
    return found
