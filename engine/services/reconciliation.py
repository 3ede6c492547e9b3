"""Reconciliation 对账 of one channel's day: its statement beside our books, set-based. First read, then written.

Reading fills temporary tables, each in a transaction of its own: roll-ups, seals and vacuum wait for the oldest running
one, and a million lines take a while. What is then written down, booked and settled is committed together; running it
again finds the same and writes nothing new. What happened to a trade in between is found to be BOOKED_SINCE.

Then the lines of a file that the institution itself has given speak to the funnel (``statement_voices``). Dying between
the two leaves ``voiced_at`` empty: the next run lets them speak, and the funnel takes every answer any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper

from engine import cutoff_queries as cutoff
from engine import reconciliation_queries as queries
from engine.models import Discrepancy, Statement
from engine.services.discrepancies import end_discrepancies, post_differences
from engine.services.statement_voices import let_lines_speak
from engine.services.statements import (
    OnProgress,
    Spool,
    StatementFile,
    keep_statement,
    open_statement,
    spool_statement,
)
from engine.statement_contracts import (
    BY_PEOPLE,
    STANDING,
    ImportedStatement,
    ReconciledStatement,
    StatementMissing,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.failpoints import failpoint

LOOK_BACK_DAYS: Final = 35
"""How far back a line of another day's file makes today's a repetition."""

READING: Final = (
    ("read", "rec_line", queries.LINES),
    ("read", "rec_repeated", queries.REPEATED),
    ("read", "rec_written_off", queries.WRITTEN_OFF),
    ("read", "rec_decided", queries.DECIDED),
    ("match", "rec_odd", queries.ODD),
    ("match", "rec_difference", queries.DIFFERENCES),
)
"""Step, temporary table, and what fills it."""

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
    with _turn_of(channel_code):
        done = _compare(channel_code=channel_code, statement_date=statement_date, on_step=on_step)
    failpoint("reconciliation_committed")
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


def _compare(*, channel_code: str, statement_date: date, on_step: OnStep) -> ReconciledStatement:
    """Read, then write; from the beginning when a newer file, or people's word on a line of it, came in between."""
    while True:
        statement = _find_statement(channel_code, statement_date)
        given = _parameters(statement)
        try:
            _read(given, on_step, fill=transactions.start(_fill))
            failpoint("reconciliation_read")
            return _write(given, on_step)
        except _Superseded:
            continue
        finally:
            with suppress(DatabaseError):
                _forget()


class _Superseded(Exception):
    """What was read does not count any more."""


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
    if file is None:
        return _rehearse(day, None, None, on_step)
    with spool_statement(file, opened=open_statement(file), on_progress=on_progress) as spool:
        return _rehearse(day, file, spool, on_step)


def _rehearse(
    day: tuple[str, date], file: StatementFile | None, spool: Spool | None, on_step: OnStep
) -> tuple[ImportedStatement | None, ReconciledStatement]:
    @transactions.start
    def rehearse() -> None:
        imported = None
        if file is not None and spool is not None:
            imported = transactions.join(keep_statement)(file, opened=spool.opened, spool=spool)
        with connection.cursor() as cursor:
            _take_turn(cursor, day[0])
        given = _parameters(_find_statement(*day))
        _read(given, on_step, fill=_fill)
        raise _NotKept(imported, transactions.join(_write)(given, on_step))

    while True:
        try:
            rehearse()
        except _Superseded:
            continue
        except _NotKept as rehearsed:
            return rehearsed.imported, rehearsed.found


def _read(given: dict[str, Any], on_step: OnStep, *, fill: Callable[..., None]) -> None:
    """Fill the temporary tables one after the other."""
    told = ""
    for step, table, statement in READING:
        if step != told:
            on_step(step)
        told = step
        fill(given, table, statement)


def _fill(given: dict[str, Any], table: str, statement: str) -> None:
    """Fill a temporary table and let the planner know what is in it."""
    with connection.cursor() as cursor:
        _take_time(cursor)
        cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
        cursor.execute(statement, given)
        cursor.execute(queries.ANALYZE.format(table=table))


@transactions.start
def _forget() -> None:
    with connection.cursor() as cursor:
        for _step, table, _statement in READING:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")


@transactions.start
def _write(given: dict[str, Any], on_step: OnStep) -> ReconciledStatement:
    """Write down, book, settle and count what was read, all or nothing (start).

    Raises _Superseded when what was read does not count any more. The file's row is locked late: from then others wait.
    """
    channel_code = given["channel_code"]
    with connection.cursor() as cursor:
        _take_time(cursor)
        on_step("pool")
        pool = _work_pool(cursor, given)
        on_step("write")
        statement = _lock_statement(given["statement_no"])
        cursor.execute(queries.GONE, given)
        gone = [(str(number), str(why)) for number, why in cursor.fetchall()]
        _refuse_outdated(cursor, given)
        end_discrepancies(gone, channel_code=channel_code)
        cursor.execute(queries.FRESH, given)
        cursor.execute(queries.ANALYZE.format(table="rec_fresh"))
        fresh = _write_fresh(cursor, given)
        cursor.execute(queries.TO_POST, given)
        post_differences(cursor.fetchall(), channel_code=channel_code)
        counts = pool | {"new": fresh, "settled": len(gone)}
        summary = _sum_up(cursor, given, statement, counts)
    done = _note(statement, summary)
    failpoint("reconciliation_before_commit")
    return done


def _refuse_outdated(cursor: CursorWrapper, given: dict[str, Any]) -> None:
    """Raise _Superseded when people have since decided about what the file has: that is ours from then on.

    Whatever was still open is locked by now, so nobody can decide it before this run commits.
    """
    cursor.execute(queries.WRITTEN_OFF_SINCE, given)
    if cursor.fetchone()[0]:
        raise _Superseded


def _take_time(cursor: CursorWrapper) -> None:
    """Take as long as it needs."""
    cursor.execute("SET LOCAL statement_timeout = 0")
    cursor.execute("SET LOCAL lock_timeout = 0")
    cursor.execute("SET LOCAL work_mem = '32MB'")


def _take_turn(cursor: CursorWrapper, channel_code: str) -> None:
    """A channel's runs go one after the other; this one's turn is over with its transaction."""
    _take_time(cursor)
    cursor.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reconcile {channel_code}"]
    )


@contextmanager
def _turn_of(channel_code: str) -> Iterator[None]:
    """Hold the channel's turn over many transactions; it is over with the session, too."""
    name = f"reconcile {channel_code}"
    _wait_for_turn(name)
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


@transactions.start
def _wait_for_turn(name: str) -> None:
    with connection.cursor() as cursor:
        _take_time(cursor)
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])


def _find_statement(channel_code: str, statement_date: date) -> Statement:
    statement = Statement.objects.filter(
        channel_code=channel_code, statement_date=statement_date, superseded_at__isnull=True
    ).first()
    if statement is None:
        raise StatementMissing(f"No statement of {channel_code} for {statement_date} is imported.")
    return statement


def _lock_statement(statement_no: str) -> Statement:
    statement = Statement.objects.select_for_update().get(pk=statement_no)
    if statement.superseded_at is not None:
        raise _Superseded
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
        "not_counted": sorted(BY_PEOPLE - STANDING),
    }


def _work_pool(cursor: CursorWrapper, given: dict[str, Any]) -> dict[str, int]:
    counts = {}
    for name, statement in (
        ("lost_again", cutoff.LOST_AGAIN),
        ("pooled", cutoff.POOL),
        ("found", cutoff.FOUND),
        ("overdue", cutoff.OVERDUE),
    ):
        cursor.execute(statement, given)
        counts[name] = cursor.rowcount
    cursor.execute(cutoff.MARK_OVERDUE)
    cursor.execute(cutoff.WAITING, given)
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
        "totals": _add_up(cursor),
        "differences": kinds,
        **counts,
    }


def _add_up(cursor: CursorWrapper) -> dict[str, dict[str, int]]:
    """Return the file's sum of each currency, refunds and chargebacks less, and what of it agrees and differs.

    To the minor unit: a run that has lost a line, or counted one twice, is a bug and keeps nothing.
    """
    cursor.execute(queries.TOTALS)
    totals = {}
    for currency, file, agreed, differing in cursor.fetchall():
        if file != agreed + differing:
            message = f"{currency}: the file has {file}, what agrees {agreed} and what differs {differing}"
            raise AssertionError(message)
        totals[currency] = {"file": file, "agreed": agreed, "differing": differing}
    return totals


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
