"""One channel's day from file to differences: take or fetch the file, import it, reconcile; the same by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection

from engine.channels.base import Capability
from engine.channels.registry import list_channels
from engine.contracts import Cause
from engine.models import Statement
from engine.services.cases import open_case, resolve_cases
from engine.services.reconciliation import (
    OnStep,
    reconcile_statement,
    rehearse_reconciliation,
    settle_booked_differences,
)
from engine.services.statements import (
    OnProgress,
    StatementFile,
    day_bounds,
    fetch_statement,
    import_statement,
    save_fetched,
)
from engine.statement_contracts import ImportedStatement, ReconciledStatement, StatementMissing
from engine.statements.records import StatementRefused
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now

CASE_KIND = "statement_missing"
_MISSING_AFTER = timedelta(days=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunWish:
    """What a run is to do. Without a ``file`` it is fetched where none counts yet, or when ``fetch`` says so."""

    channel_code: str
    statement_date: date
    file: Path | None = None
    layout: str | None = None
    fetch: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it; ``imported`` None when the file that counts was there before."""

    imported: ImportedStatement | None
    reconciled: ReconciledStatement


@transactions.forbid
def reconcile_channel(wish: RunWish, *, on_progress: OnProgress, on_step: OnStep) -> Run:
    """Import what is to be imported and reconcile the day (forbid).

    ``dry_run`` reads, compares and keeps nothing. Safe to run again and at once. Raises NotFound, InvalidRequest,
    StatementRefused and StatementMissing.
    """
    day = (wish.channel_code, wish.statement_date)
    if wish.dry_run:
        with save_fetched(*day, needed=_must_fetch(wish)) as fetched:
            path = wish.file or fetched
            source = Statement.Source.FETCHED if fetched else Statement.Source.FILE
            file = StatementFile(*day, path, source, wish.layout) if path else None
            return Run(
                *rehearse_reconciliation(day, file=file, on_progress=on_progress, on_step=on_step)
            )
    imported = None
    if wish.file is not None:
        imported = import_statement(
            StatementFile(*day, wish.file, layout=wish.layout), on_progress=on_progress
        )
    elif _must_fetch(wish):
        imported = fetch_statement(
            channel_code=wish.channel_code,
            statement_date=wish.statement_date,
            on_progress=on_progress,
        )
    reconciled = reconcile_statement(
        channel_code=wish.channel_code, statement_date=wish.statement_date, on_step=on_step
    )
    _end_missing(channel_code=wish.channel_code, day=wish.statement_date)
    return Run(imported, reconciled)


def _must_fetch(wish: RunWish) -> bool:
    """Whether the institution is to be asked: it was never, or before the day was over."""
    if wish.file is not None:
        return False
    if wish.fetch:
        return True
    counting = Statement.objects.filter(
        channel_code=wish.channel_code,
        statement_date=wish.statement_date,
        superseded_at__isnull=True,
    ).first()
    return counting is None or counting.imported_at < day_bounds(wish.statement_date)[1]


@transactions.forbid
def reconcile_due_days() -> int:
    """Fetch and reconcile what channels with a statement have not been reconciled with, by the clock (forbid).

    Looks RECONCILE_DAYS_BACK days back; one that fails leaves the others. A day whose file is still missing a day
    later becomes a case. Returns how many days were reconciled. Safe to run twice and at once.
    """
    done = 0
    for channel in list_channels(Capability.STATEMENT):
        settle_booked_differences(channel_code=channel.code)
        for day in _list_due_days(channel.code):
            try:
                reconcile_channel(
                    RunWish(channel.code, day), on_progress=lambda _: None, on_step=lambda _: None
                )
            except (StatementMissing, StatementRefused) as error:
                _log.warning(
                    "statement_not_reconciled", channel=channel.code, day=str(day), code=error.code
                )
                _tell_missing(channel_code=channel.code, day=day, why=error.detail)
            else:
                done += 1
    return done


def _list_due_days(channel_code: str) -> list[date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d::date FROM (SELECT (platform_now() AT TIME ZONE %s)::date AS today) AS t,"
            " generate_series(today - %s, today - 1, interval '1 day') AS d"
            " WHERE NOT EXISTS (SELECT 1 FROM engine_statement AS s WHERE s.channel_code = %s"
            " AND s.statement_date = d::date AND s.superseded_at IS NULL AND s.voiced_at IS NOT NULL"
            " AND (s.imported_at AT TIME ZONE %s)::date > d::date) ORDER BY d",
            [
                settings.BUSINESS_TIME_ZONE,
                settings.RECONCILE_DAYS_BACK,
                channel_code,
                settings.BUSINESS_TIME_ZONE,
            ],
        )
        return [day for (day,) in cursor.fetchall()]


@transactions.start
def _tell_missing(*, channel_code: str, day: date, why: str) -> None:
    if database_now() >= day_bounds(day)[1] + _MISSING_AFTER:
        open_case(kind=CASE_KIND, object_no=f"{channel_code} {day}", detail=why)


@transactions.start
def _end_missing(*, channel_code: str, day: date) -> None:
    resolve_cases(object_no=f"{channel_code} {day}", kinds=(CASE_KIND,), cause=Cause.STATEMENT)
