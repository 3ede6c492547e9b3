"""Reconciliation 对账 of one channel's day: its statement beside our books, set-based, in one transaction.

What it writes down, books and settles is committed together; running it again finds the same and writes nothing new.
Then the lines of a file that the institution itself has given speak to the funnel (``statement_voices``). Dying between
the two leaves ``voiced_at`` empty: the next run lets them speak, and the funnel takes every answer any number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from engine import reconciliation_queries as queries
from engine.models import Discrepancy, Statement
from engine.services.discrepancies import end_discrepancies, post_differences
from engine.services.statement_voices import let_lines_speak
from engine.services.statements import (
    OnProgress,
    StatementFile,
    keep_statement,
    open_statement,
)
from engine.statement_contracts import (
    BY_PEOPLE,
    ImportedStatement,
    ReconciledStatement,
    StatementMissing,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now

LOOK_BACK_DAYS: Final = 35
"""How far back a line of another day's file makes today's a repetition."""

STEPS: Final = ("read", "match", "pool", "write", "speak")
OnStep = Callable[[str], None]
"""Told the name of each step before it begins."""


def _say_nothing(_step: str) -> None:
    """Nobody wants to know."""


@transactions.forbid
def reconcile_statement(
    *,
    channel_code: str,
    statement_date: date,
    on_step: OnStep = _say_nothing,
) -> ReconciledStatement:
    """Compare a channel's day, book what differs, then let a verified file speak (forbid).

    Safe to run again and at once: a channel's runs wait for each other. Raises StatementMissing when no file of that
    day was imported.
    """
    done = _compare(channel_code=channel_code, statement_date=statement_date, on_step=on_step)
    on_step("speak")
    let_lines_speak(statement_no=done.statement_no)
    settle_booked_differences(channel_code=channel_code)
    return done if not done.unresolved else _count_again(done)


@transactions.start
def settle_booked_differences(*, channel_code: str) -> int:
    """End the differences that our books have caught up with since; returns how many (start)."""
    with connection.cursor() as cursor:
        _take_turn(cursor, channel_code)
        cursor.execute(queries.BOOKED, {"channel_code": channel_code})
        booked = [(number, "BOOKED_SINCE") for (number,) in cursor.fetchall()]
    end_discrepancies(booked, channel_code=channel_code)
    return len(booked)


@transactions.start
def _compare(*, channel_code: str, statement_date: date, on_step: OnStep) -> ReconciledStatement:
    """Find, write down, book, settle and count, in one transaction (start)."""
    return _compare_now(channel_code, statement_date, on_step)


class _NotKept(Exception):
    """Carries what a rehearsal found out of the transaction that is rolled back."""

    def __init__(self, imported: ImportedStatement | None, found: ReconciledStatement) -> None:
        super().__init__(found.statement_no)
        self.imported, self.found = imported, found


@transactions.forbid
def rehearse_reconciliation(
    day: tuple[str, date],
    *,
    file: StatementFile | None,
    on_progress: OnProgress,
    on_step: OnStep,
) -> tuple[ImportedStatement | None, ReconciledStatement]:
    """Import and compare in one transaction, and roll it back (forbid: it starts its own).

    ``file`` None: the file of the day (channel, date) that counts. Lines do not speak. Raises as
    ``reconcile_statement`` and ``import_statement`` do.
    """
    opened = open_statement(file) if file is not None else None

    @transactions.start
    def rehearse() -> None:
        imported = None
        if file is not None and opened is not None:
            keep = transactions.join(keep_statement)
            imported = keep(file, opened=opened, on_progress=on_progress)
        raise _NotKept(imported, _compare_now(*day, on_step))

    try:
        rehearse()
    except _NotKept as rehearsed:
        return rehearsed.imported, rehearsed.found
    raise AssertionError("unreachable")


def _compare_now(channel_code: str, statement_date: date, on_step: OnStep) -> ReconciledStatement:
    with connection.cursor() as cursor:
        _take_turn(cursor, channel_code)
        statement = _lock_statement(channel_code, statement_date)
        given = _parameters(statement)
        on_step("read")
        _run(cursor, given, queries.LINES, table="rec_line")
        _run(cursor, given, queries.REPEATED, table="rec_repeated")
        _run(cursor, given, queries.WRITTEN_OFF, table="rec_written_off")
        on_step("match")
        _run(cursor, given, queries.ODD, table="rec_odd")
        _run(cursor, given, queries.DIFFERENCES, table="rec_difference")
        on_step("pool")
        pool = _work_pool(cursor, given)
        on_step("write")
        cursor.execute(queries.GONE, given)
        gone = [(str(number), str(why)) for number, why in cursor.fetchall()]
        end_discrepancies(gone, channel_code=channel_code)
        _run(cursor, given, queries.FRESH, table="rec_fresh")
        fresh = _write_fresh(cursor, given)
        cursor.execute(queries.TO_POST, given)
        post_differences(cursor.fetchall(), channel_code=channel_code)
        counts = pool | {"new": fresh, "settled": len(gone)}
        summary = _sum_up(cursor, given, statement, counts)
    return _note(statement, summary)


def _take_turn(cursor: CursorWrapper, channel_code: str) -> None:
    """A channel's runs go one after the other, and take as long as they need."""
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute("SET LOCAL lock_timeout = 0")
    cursor.execute("SET LOCAL work_mem = '32MB'")
    cursor.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reconcile {channel_code}"]
    )


def _lock_statement(channel_code: str, statement_date: date) -> Statement:
    found = Statement.objects.select_for_update().filter(
        channel_code=channel_code, statement_date=statement_date, superseded_at__isnull=True
    )
    statement = found.first()
    if statement is None:
        raise StatementMissing(f"No statement of {channel_code} for {statement_date} is imported.")
    return statement


def _parameters(statement: Statement) -> dict[str, Any]:
    return {
        "channel_code": statement.channel_code,
        "statement_no": statement.statement_no,
        "statement_date": statement.statement_date,
        "is_verified": statement.source == Statement.Source.FETCHED,
        "cost_ppm": settings.CHANNEL_COST_PPM.get(statement.channel_code),
        "begin": statement.covers_from,
        "end": statement.covers_to,
        "grace_days": settings.CUTOFF_GRACE_DAYS,
        "look_back": LOOK_BACK_DAYS,
        "by_people": sorted(BY_PEOPLE),
    }


def _run(cursor: CursorWrapper, given: dict[str, Any], statement: str, *, table: str) -> None:
    """Fill a temporary table and let the planner know what is in it."""
    cursor.execute(statement, given)
    cursor.execute(queries.ANALYZE.format(table=table))


def _work_pool(cursor: CursorWrapper, given: dict[str, Any]) -> dict[str, int]:
    counts = {}
    for name, statement in (
        ("lost_again", queries.LOST_AGAIN),
        ("pooled", queries.POOL),
        ("found", queries.FOUND),
        ("overdue", queries.OVERDUE),
    ):
        cursor.execute(statement, given)
        counts[name] = cursor.rowcount
    cursor.execute(queries.MARK_OVERDUE)
    cursor.execute(queries.WAITING, given)
    counts["waiting"] = cursor.fetchone()[0]
    return counts


def _write_fresh(cursor: CursorWrapper, given: dict[str, Any]) -> int:
    cursor.execute("SELECT count(*) FROM rec_fresh")
    count: int = cursor.fetchone()[0]
    names = [numbers.new_number(numbers.DISCREPANCY) for _ in range(count)]
    cursor.execute(queries.WRITE, given | {"numbers": names})
    return count


def _sum_up(
    cursor: CursorWrapper, given: dict[str, Any], statement: Statement, counts: dict[str, int]
) -> dict[str, Any]:
    cursor.execute(queries.COUNTS)
    kinds: dict[str, Any] = {}
    for kind, currency, count, difference in cursor.fetchall():
        entry = kinds.setdefault(kind, {"count": 0, "difference": {}})
        entry["count"] += count
        entry["difference"][currency] = difference
    cursor.execute(queries.LINES_IN_DOUBT)
    in_doubt: int = cursor.fetchone()[0]
    return {
        "lines": statement.line_count,
        "agreed": statement.line_count - in_doubt,
        "differences": kinds,
        **counts,
    }


def _note(statement: Statement, summary: dict[str, Any]) -> ReconciledStatement:
    statement.summary = summary
    statement.reconciled_at = database_now()
    statement.run_count += 1
    statement.save(update_fields=["summary", "reconciled_at", "run_count"])
    return ReconciledStatement(
        statement_no=statement.statement_no,
        channel_code=statement.channel_code,
        statement_date=statement.statement_date,
        version=statement.version,
        summary=summary,
        unresolved=count_unresolved(
            channel_code=statement.channel_code, statement_date=statement.statement_date
        ),
    )


def _count_again(done: ReconciledStatement) -> ReconciledStatement:
    left = count_unresolved(channel_code=done.channel_code, statement_date=done.statement_date)
    return ReconciledStatement(
        statement_no=done.statement_no,
        channel_code=done.channel_code,
        statement_date=done.statement_date,
        version=done.version,
        summary=done.summary,
        unresolved=left,
    )


def count_unresolved(*, channel_code: str, statement_date: date) -> int:
    """Return how many differences of a channel wait for somebody, of this day or of days before."""
    waiting = Discrepancy.objects.filter(
        channel_code=channel_code, statement_date__lte=statement_date, resolved_at__isnull=True
    )
    return waiting.count()
