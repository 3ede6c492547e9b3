"""Import of statement files: read fully, then written in one short transaction, or refused whole.

A file is read and checked to its end before a transaction begins: its lines wait in a spool on disk. Dying on the way
leaves nothing: lines and statement are committed together, and the same file again is the same row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import Max

from engine.channels.base import Channel, StatementUnavailable
from engine.channels.registry import RESERVED_CODE, UnknownChannel, get_channel
from engine.models import Statement
from engine.statement_contracts import ImportedStatement, StatementMissing, StatementRefused
from engine.statement_selectors import compare_versions
from engine.statements.encodings import FileFacts, inspect_file, open_text
from engine.statements.layouts import choose_layout
from engine.statements.records import Layout, Reading, StatementLine, Totals, refuse
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from paymentplatform.kernel.failpoints import failpoint

BANK: Final = RESERVED_CODE
BANK_LAYOUT: Final = "camt053"
PROGRESS_EVERY: Final = 10_000
_BEGINNING: Final = 8_192
_BLOCK: Final = 1 << 18
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""How COPY wants what would end a cell or a line."""
_COPY: Final = (
    "COPY engine_statement_line (statement_no, line_no, kind, match_key, channel_trade_no, request_no, amount,"
    " currency, fee, occurred_at) FROM STDIN"
)

OnProgress = Callable[[int], None]
"""Told how many lines have been read so far."""


def _say_nothing(_lines: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file on disk and what it is said to be. ``layout`` None: told from its beginning."""

    channel_code: str
    statement_date: date
    path: Path
    source: str = Statement.Source.FILE
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that was looked at: facts, form, and whose account it has to be."""

    facts: FileFacts
    layout: Layout
    account: str


@transactions.forbid
def import_statement(
    file: StatementFile, *, dry_run: bool = False, on_progress: OnProgress = _say_nothing
) -> ImportedStatement:
    """Read one file, and write it into the database in one transaction (forbid: it starts its own).

    ``dry_run`` reads and checks all of it and keeps nothing. The same file of the same day again is the statement that
    is there, but for one that the institution gives again after it had corrected it. Another file of a day that has one
    is its next version, and counts from then on; an operator's never replaces the institution's own. Raises NotFound
    for an unknown channel, InvalidRequest for a day that has not begun, StatementRefused with nothing kept.
    """
    opened = open_statement(file)
    if not dry_run and _find_known(file, opened) is not None:
        return keep_statement(file, opened=opened, spool=None)
    with spool_statement(file, opened=opened, on_progress=on_progress) as spool:
        if dry_run:
            return _describe_unkept(file, opened, spool.reading)
        kept = keep_statement(file, opened=opened, spool=spool)
    failpoint("statement_kept")
    return kept


def open_statement(file: StatementFile) -> OpenedFile:
    """Look a file over: hash, encoding, form, and whose it has to be. Raises as ``import_statement`` does."""
    account = _find_account(file.channel_code)
    _refuse_future(file.statement_date)
    facts = inspect_file(file.path)
    with open_text(file.path, facts) as stream:
        layout = choose_layout(beginning=stream.read(_BEGINNING), code=file.layout)
    if (file.channel_code == BANK) != (layout.code == BANK_LAYOUT):
        raise StatementRefused(
            f"A file of {file.channel_code} does not have the form {layout.code}."
        )
    opened = OpenedFile(facts, layout, account)
    _refuse_second_hand(file, opened)
    return opened


@transactions.forbid
def fetch_statement(
    *,
    channel_code: str,
    statement_date: date,
    dry_run: bool = False,
    on_progress: OnProgress = _say_nothing,
) -> ImportedStatement:
    """Ask the channel for its file of a day and import it (forbid). ``dry_run`` as in ``import_statement``.

    Raises StatementMissing while the institution does not give one, and what ``import_statement`` raises.
    """
    with save_fetched(channel_code, statement_date, needed=True) as path:
        assert path is not None
        file = StatementFile(channel_code, statement_date, path, source=Statement.Source.FETCHED)
        return import_statement(file, dry_run=dry_run, on_progress=on_progress)


@contextmanager
def save_fetched(channel_code: str, statement_date: date, *, needed: bool) -> Iterator[Path | None]:
    """Ask the channel for its file of a day, when it is needed, and give where it is kept until the block ends.

    Not inside a transaction. Raises StatementMissing, NotFound and InvalidRequest.
    """
    if not needed:
        yield None
        return
    channel = _find_channel(channel_code)
    _refuse_future(statement_date)
    try:
        body = channel.fetch_statement(statement_date=statement_date)
    except StatementUnavailable as error:
        raise StatementMissing(f"{channel_code} {statement_date}: {error}.") from error
    with tempfile.TemporaryDirectory(prefix="statement-") as folder:
        path = Path(folder) / "statement"
        path.write_bytes(body)
        yield path


@dataclass(frozen=True, slots=True)
class Spool:
    """A file that was read to its end and found whole: its lines, as the database takes them in, and their totals."""

    statement_no: str
    opened: OpenedFile
    reading: Reading
    lines: IO[bytes]


@contextmanager
def spool_statement(
    file: StatementFile, *, opened: OpenedFile, on_progress: OnProgress
) -> Iterator[Spool]:
    """Read a file that was looked over, and keep its lines on disk until the block ends. Raises StatementRefused."""
    statement_no, reading = numbers.new_number(numbers.STATEMENT), Reading()
    with tempfile.TemporaryFile(prefix="statement-") as lines:
        for line in _read(file, opened, reading, on_progress):
            lines.write(_write_row((statement_no, *line)))
        yield Spool(statement_no, opened, reading, lines)


def _write_row(cells: tuple[object, ...]) -> bytes:
    """Write one line as COPY reads it; this runs for every one of a million."""
    row = "\t".join(map(str, cells))
    if "\\" in row or not row.replace("\t", "").isprintable():
        row = "\t".join(str(cell).translate(_ESCAPED) for cell in cells)
    return f"{row}\n".encode()


@transactions.start
def keep_statement(
    file: StatementFile, *, opened: OpenedFile, spool: Spool | None
) -> ImportedStatement:
    """Write statement and lines of a file that was read, in one transaction (start); without them it must be known."""
    day = _day_of(file, opened)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        named = f"statement {file.channel_code} {opened.account} {file.statement_date}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [named])
    known = _find_known(file, opened)
    if known is not None:
        return _describe(_confirm(known, file.source), repeated=True)
    _refuse_second_hand(file, opened)
    assert spool is not None
    statement_no, reading = spool.statement_no, spool.reading
    spool.lines.seek(0)
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        while block := spool.lines.read(_BLOCK):
            copy.write(block)
    earlier = Statement.objects.filter(**day, superseded_at__isnull=True)
    before = earlier.values_list("statement_no", flat=True).first()
    earlier.update(superseded_at=database_now())
    version = Statement.objects.filter(**day).aggregate(last=Max("version"))["last"] or 0
    covers_from, covers_to = day_bounds(file.statement_date)
    statement = Statement.objects.create(
        **day,
        covers_from=covers_from,
        covers_to=covers_to,
        statement_no=statement_no,
        sha256=opened.facts.sha256,
        version=version + 1,
        layout=opened.layout.code,
        source=file.source,
        line_count=reading.lines,
        totals=describe_totals(reading.totals),
    )
    changes = compare_versions(old=before, new=statement_no) if before is not None else None
    failpoint("statement_before_commit")
    return _describe(statement, changes=changes)


def _day_of(file: StatementFile, opened: OpenedFile) -> dict[str, Any]:
    return {
        "channel_code": file.channel_code,
        "account": opened.account,
        "statement_date": file.statement_date,
    }


def _find_known(file: StatementFile, opened: OpenedFile) -> Statement | None:
    """Return the statement that this very file is already.

    Not one that counts no more when the institution itself gives it again: it has taken its correction back.
    """
    known = Statement.objects.filter(**_day_of(file, opened), sha256=opened.facts.sha256)
    if file.source == Statement.Source.FETCHED:
        known = known.filter(superseded_at__isnull=True)
    return known.order_by("-version").first()


def _refuse_second_hand(file: StatementFile, opened: OpenedFile) -> None:
    """An operator's file does not replace the institution's own: differences would end, and nobody fetch again."""
    if file.source == Statement.Source.FETCHED or _find_known(file, opened) is not None:
        return
    own = Statement.objects.filter(
        **_day_of(file, opened), superseded_at__isnull=True, source=Statement.Source.FETCHED
    )
    if own.exists():
        raise StatementRefused(
            f"The institution's own file of {file.channel_code} {file.statement_date} counts; a file that is brought"
            " does not replace it. If it is wrong, have it fetched again."
        )


def _read(
    file: StatementFile, opened: OpenedFile, reading: Reading, on_progress: OnProgress
) -> Iterator[StatementLine]:
    """Yield the lines, checked against what the file was said to be; at the end the file is what it was."""
    day = file.statement_date.isoformat()
    with open_text(file.path, opened.facts) as stream:
        for line in opened.layout.read(stream, reading):
            if reading.lines == 1:
                _check_head(file, opened, reading)
            if reading.head.statement_date is None and line.occurred_at[:10] != day:
                raise refuse(line.line_no, f"is of another day than {day}")
            if reading.lines % PROGRESS_EVERY == 0:
                on_progress(reading.lines)
            yield line
    _check_head(file, opened, reading)
    if inspect_file(file.path) != opened.facts:
        raise StatementRefused("The file changed while it was read.")
    on_progress(reading.lines)


def _check_head(file: StatementFile, opened: OpenedFile, reading: Reading) -> None:
    head = reading.head
    if head.account is not None and head.account != opened.account:
        raise StatementRefused(f"The file is of account {head.account}, ours is {opened.account}.")
    if head.statement_date is not None and head.statement_date != file.statement_date:
        raise StatementRefused(
            f"The file is of {head.statement_date}, not of {file.statement_date}."
        )


def _confirm(known: Statement, source: str) -> Statement:
    """A file that an operator gave, and the institution has now given too, is the institution's word."""
    if source == Statement.Source.FETCHED and known.source != source:
        known.source = source
        known.save(update_fields=["source"])
    return known


def get_counting_statement(*, channel_code: str, statement_date: date) -> ImportedStatement:
    """Return the newest statement of a day. Raises StatementMissing when there is none."""
    row = Statement.objects.filter(
        channel_code=channel_code, statement_date=statement_date, superseded_at__isnull=True
    ).first()
    if row is None:
        raise StatementMissing(
            f"No statement of {channel_code} for {statement_date} is imported: give its file (--file)."
        )
    return _describe(row)


def _find_account(channel_code: str) -> str:
    """Return our account at the channel, or at the bank."""
    if channel_code == BANK and settings.PLATFORM_BANK_ACCOUNT:
        return str(settings.PLATFORM_BANK_ACCOUNT)
    return _find_channel(channel_code).merchant_account


def _find_channel(channel_code: str) -> Channel:
    try:
        return get_channel(channel_code)
    except UnknownChannel:
        raise NotFound(f"There is no channel {channel_code}.") from None


def _refuse_future(statement_date: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (platform_now() AT TIME ZONE %s)::date", [settings.BUSINESS_TIME_ZONE]
        )
        today: date = cursor.fetchone()[0]
    if statement_date > today:
        raise InvalidRequest(f"{statement_date} has not begun.")


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first moment of a business day and that of the next."""
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    return (
        datetime.combine(day, time.min, zone),
        datetime.combine(day + timedelta(days=1), time.min, zone),
    )


def describe_totals(totals: Totals) -> dict[str, dict[str, Any]]:
    """Return totals as they are stored and shown: ``{"CNY": {"CHARGE": {"count", "amount", "fee"}}}``."""
    shown: dict[str, dict[str, Any]] = {}
    for (currency, kind), total in sorted(totals.items()):
        shown.setdefault(currency, {})[kind] = asdict(total)
    return shown


def _describe(
    row: Statement, *, repeated: bool = False, changes: dict[str, Any] | None = None
) -> ImportedStatement:
    return ImportedStatement(
        statement_no=row.statement_no,
        channel_code=row.channel_code,
        account=row.account,
        statement_date=row.statement_date,
        version=row.version,
        sha256=row.sha256,
        layout=row.layout,
        source=row.source,
        line_count=row.line_count,
        totals=row.totals,
        repeated=repeated,
        superseded=row.superseded_at is not None,
        changes=changes,
    )


def _describe_unkept(
    file: StatementFile, opened: OpenedFile, reading: Reading
) -> ImportedStatement:
    return ImportedStatement(
        statement_no=None,
        channel_code=file.channel_code,
        account=opened.account,
        statement_date=file.statement_date,
        version=0,
        sha256=opened.facts.sha256,
        layout=opened.layout.code,
        source=file.source,
        line_count=reading.lines,
        totals=describe_totals(reading.totals),
    )
