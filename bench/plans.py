"""How the hot statements are carried out: the server's own plans, and what one life reads and writes, for the docs."""

from __future__ import annotations

from typing import Final

import psycopg

from bench.paths import PATHS, calls_of
from bench.reference import capture_path
from bench.seed import Shop
from bench.servers import Platform

PATHS_SHOWN: Final = ("create_order", "balance_payment", "order_query")
LIVES: Final = 100
_READ: Final = """
    SELECT relname, indexrelname, idx_scan, idx_tup_read FROM pg_stat_user_indexes
    UNION ALL SELECT relname, '', seq_scan, seq_tup_read FROM pg_stat_user_tables
"""
_WRITTEN: Final = (
    "SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables ORDER BY relname"
)


def show_plans(running: Platform, shop: Shop, *, first: int) -> str:
    """Make a hundred lives of each path in this process; return the page. The orders from ``first`` on are unpaid."""
    parts = [_HEAD]
    with psycopg.connect(running.admin_url, autocommit=True) as admin:
        for name in PATHS_SHOWN:
            path = next(path for path in PATHS if path.name == name)
            sent = capture_path(shop, calls_of(path, sequence=first))
            parts.append(f"## {name}\n")
            for statement in sent:
                plan = admin.execute(
                    f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {statement.sql}"
                ).fetchall()
                lines = "\n".join(line for (line,) in plan)
                parts.append(f"`{statement.name}`\n\n```\n{lines}\n```\n")
            before = _count(admin)
            for sequence in range(first + 1, first + 1 + LIVES):
                capture_path(shop, calls_of(path, sequence=sequence))
            parts.append(_table(before, _count(admin)))
            first += 1 + LIVES
    return "\n".join(parts)


_HEAD: Final = f"""# Plans of the hot statements

Made by `python3 run.py bench --plans FILE`. A plan shows what a statement does itself; what the functions that it
calls do shows in the tables: entries of each index that one life reads, and rows that it writes, on average of
{LIVES} lives. A table without the name of an index was read as a whole: a handful of rows of configuration.
"""


def _count(admin: psycopg.Connection) -> dict[tuple[str, str, str], int]:
    """Return the server's counters, once this process has told its own."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    seen = {}
    for table, index, scans, entries in admin.execute(_READ):
        seen[table, index, "looks"] = scans or 0
        seen[table, index, "entries"] = entries or 0
    for table, inserted, updated, hot in admin.execute(_WRITTEN):
        seen |= {(table, "", "in"): inserted, (table, "", "up"): updated, (table, "", "hot"): hot}
    return seen


def _table(before: dict[tuple[str, str, str], int], after: dict[tuple[str, str, str], int]) -> str:
    def each(table: str, index: str, what: str) -> float:
        return (after.get((table, index, what), 0) - before.get((table, index, what), 0)) / LIVES

    places = sorted({(table, index) for table, index, _ in after})
    read = [
        f"| {table} | {index} | {each(table, index, 'looks'):.1f} | {each(table, index, 'entries'):.1f} |"
        for table, index in places
        if each(table, index, "looks") >= 0.1
    ]
    written = [
        f"| {table} | {each(table, '', 'in'):.1f} | {each(table, '', 'up'):.1f} | {each(table, '', 'hot'):.1f} |"
        for table, index in places
        if not index and each(table, "", "in") + each(table, "", "up") >= 0.1
    ]
    return "\n".join(
        [
            "| reads of | by index | looks | entries |\n|---|---|---|---|",
            *read,
            "",
            "| writes to | inserted | updated | of these in place |\n|---|---|---|---|",
            *(written or ["| – | | | |"]),
            "",
        ]
    )
