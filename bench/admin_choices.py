"""Every choice that any list of the operators' console offers: filters, periods, the next page, searches, an export."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

PRESSES: Final = 3
_LINK: Final = re.compile(r'href="(\?[^"]+)"')
_TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_NOBODY: Final = "0123456789abcdefghjkmn"
_EVER: Final = "&made=ever"


@dataclass(frozen=True, slots=True)
class ListTime:
    """The slowest answer of one list over everything it offers, in milliseconds; ``choices`` is how much that was."""

    page: str
    choices: int
    worst_ms: float
    worst: str


@dataclass(frozen=True, slots=True)
class ExportTime:
    """How soon an export begins (its first 100 kB), and how many rows a second it then writes."""

    first_ms: float
    rows: int
    rows_per_s: float


def measure_lists(client: httpx.Client, *, merchant_no: str) -> Iterator[ListTime]:
    """Open every list in every way that it offers, and its first row, each after one press that is not counted."""
    for model, page in _list_pages():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"  # noqa: SLF001 - Django's documented way
        text = _read(client, base)
        rows = re.findall(rf'href="{base}([^/"]+/change/)', text)
        taken = {
            query: _press(client, f"{base}{query}")
            for query in [*_list_queries(text, page, merchant_no), *rows[:1]]
        }
        worst = max(taken, key=lambda query: taken[query])
        yield ListTime(base, len(taken), taken[worst], worst)


def measure_export(client: httpx.Client, address: str) -> ExportTime:
    """Export a list as it is filtered."""
    token = _TOKEN.search(_read(client, address))
    data = {"reason": "bench", "csrfmiddlewaretoken": token[1] if token else ""}
    headers = {"Referer": f"{client.base_url}{address}"}
    began, first, size, rows = time.perf_counter(), 0.0, 0, -1
    with client.stream("POST", address, data=data, headers=headers) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            size, rows = size + len(part), rows + part.count(b"\n")
            if not first and size > 100_000:
                first = 1000 * (time.perf_counter() - began)
    taken = time.perf_counter() - began
    return ExportTime(first or 1000 * taken, rows, rows / taken)


def _list_pages() -> list[tuple[Any, Any]]:
    from django.contrib import admin

    return list(admin.site._registry.items())  # noqa: SLF001 - there is no public way to ask


def _list_queries(text: str, page: Any, merchant_no: str) -> list[str]:
    """Return the list as it opens, what its links ask for (of any time, too), and a search of each kind."""
    offered = sorted({html.unescape(link) for link in _LINK.findall(text)})
    ever = [link + _EVER for link in offered if "made=" not in link and "after=" not in link]
    searched = getattr(page, "searched", None) or {"ord": "", "pay": "", "att": "", "": ""}
    terms = [_term(prefix, merchant_no) for prefix in searched]
    return ["", *offered, *(ever if "made=" in text else ()), *(f"?q={term}" for term in terms)]


def _term(prefix: str, merchant_no: str) -> str:
    if prefix == "mch":
        return merchant_no
    return f"{prefix}_{_NOBODY}" if prefix else "nothing-is-called-so"


def _read(client: httpx.Client, address: str) -> str:
    answer = client.get(address)
    answer.raise_for_status()
    return answer.text


def _press(client: httpx.Client, address: str) -> float:
    _read(client, address)
    taken = []
    for _ in range(PRESSES):
        began = time.perf_counter()
        _read(client, address)
        taken.append(1000 * (time.perf_counter() - began))
    return max(taken)
