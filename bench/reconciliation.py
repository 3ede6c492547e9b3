"""`python3 run.py bench --reconcile`: a day of a million lines with ten thousand differences of every kind planted.

All must be found and none invented, in bounded memory and time. The same at one hundredth is a test.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.local.paths import PYTHON, ROOT
from engine.channels.sandbox import codec

LINES: Final = 1_000_000
DIFFERENCES: Final = 10_000
MAX_MEMORY_MB: Final = 300
MAX_SECONDS: Final = 180
GRACE_DAYS: Final = 3
AMOUNT: Final = 10_00
COST: Final = 1
_KINDS: Final = (
    "CHANNEL_ONLY",
    "PLATFORM_ONLY",
    "STATUS_MISMATCH",
    "AMOUNT_OVER",
    "AMOUNT_UNDER",
    "CURRENCY_MISMATCH",
    "DUPLICATE",
    "FEE_MISMATCH",
)
_REFUND_KINDS: Final = _KINDS[:-1]
_POLL_S: Final = 0.1

Known = tuple[str, str, str]
"""Kind, kind of line, what it is known by."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many lines, a tenth of them refunds, and how many of them differ, a fifth of those refunds."""

    lines: int = LINES
    differences: int = DIFFERENCES

    @property
    def charges(self) -> int:
        """Charges of the day."""
        return self.lines - self.refunds

    @property
    def refunds(self) -> int:
        """Refunds of the day."""
        return self.lines // 10

    def kind_of(self, number: int, *, is_refund: bool) -> str | None:
        """Which difference this charge or refund is to be, if any."""
        kinds = _REFUND_KINDS if is_refund else _KINDS
        planted = self.differences // 5 if is_refund else self.differences - self.differences // 5
        return kinds[number % len(kinds)] if number < planted else None


@dataclass(frozen=True, slots=True)
class Result:
    """What a run took and found; ``longest_s`` is its longest transaction with an id, for which roll-ups wait."""

    lines: int
    planted: int
    found: int
    missed: int
    invented: int
    seconds: float
    command_mb: int
    database_mb: int
    longest_s: float

    @property
    def ok(self) -> bool:
        """Whether all were found, none invented, in bounded memory and time."""
        return (
            self.planted == self.found
            and not self.missed
            and not self.invented
            and self.command_mb + self.database_mb <= MAX_MEMORY_MB
            and self.seconds <= MAX_SECONDS
        )


def measure(environment: dict[str, str], size: Size, *, grace_days: int = GRACE_DAYS) -> Result:
    """Seed a database that nobody else uses, write the files, run the commands, compare with what was planted.

    ``grace_days`` must be the platform's own: only after as many empty files is short what the first does not show.
    """
    day = (datetime.now(UTC) + timedelta(hours=8)).date() - timedelta(days=GRACE_DAYS + 2)
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as owner:
        _seed(owner, size, day)
    owner_address = environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(owner_address, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    planted: set[Known] = set()
    seconds, command_mb, database_mb, longest_s = 0.0, 0, 0, 0.0
    with tempfile.TemporaryDirectory(prefix="reconcile-") as folder:
        path = Path(folder) / "day.csv"
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(_write(size, day, planted))
        for days_later in range(grace_days + 1):
            later = day + timedelta(days=days_later)
            if days_later:
                path.write_text("".join(_write(Size(0, 0), later, set())), encoding="utf-8")
            took, watch = _reconcile(environment, later, path)
            seconds += took
            command_mb = max(command_mb, watch.command_mb)
            database_mb = max(database_mb, watch.database_mb)
            longest_s = max(longest_s, watch.longest_s)
    with psycopg.connect(owner_address) as owner:
        found = {
            (kind, line_kind, key)
            for kind, line_kind, key in owner.execute(
                "SELECT kind, line_kind, match_key FROM engine_discrepancy WHERE status = 'OPEN'"
            )
        }
        row = owner.execute("SELECT count(*) FROM engine_discrepancy").fetchone()
    return Result(
        lines=size.lines,
        planted=len(planted),
        found=int(row[0]) if row else 0,
        missed=len(planted - found),
        invented=len(found - planted),
        seconds=round(seconds, 1),
        command_mb=command_mb,
        database_mb=database_mb,
        longest_s=round(longest_s, 1),
    )


def show(result: Result) -> str:
    """Say it in two lines."""
    return (
        f"Reconciliation of {result.lines:,} lines: {result.planted:,} differences planted, {result.found:,} found, "
        f"{result.missed} missed, {result.invented} invented.\n"
        f"{result.seconds:.1f} s (at most {MAX_SECONDS}); command {result.command_mb} MB and its database session "
        f"{result.database_mb} MB (at most {MAX_MEMORY_MB} together); its longest writing transaction took "
        f"{result.longest_s:.1f} s."
    )


def as_json(result: Result) -> dict[str, Any]:
    """Return the figures."""
    return asdict(result) | {"ok": result.ok}


def _seed(owner: psycopg.Connection, size: Size, day: date) -> None:
    """Write what we have booked, set by set; the guards of a life are off, for nothing has lived here."""
    noon = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    tables = ("payment_order", "payment_detail", "channel_attempt", "refund")
    for table in tables:
        owner.execute(f"ALTER TABLE engine_{table} DISABLE TRIGGER USER")
    given = {
        "noon": noon,
        "amount": AMOUNT,
        "charges": size.charges,
        "refunds": size.refunds,
        "absent": [_number(n) for n in _of_kind(size, "CHANNEL_ONLY", is_refund=False)],
        "failed": [_number(n) for n in _of_kind(size, "STATUS_MISMATCH", is_refund=False)],
        "absent_refunds": [_number(n) for n in _of_kind(size, "CHANNEL_ONLY", is_refund=True)],
        "failed_refunds": [_number(n) for n in _of_kind(size, "STATUS_MISMATCH", is_refund=True)],
    }
    with psycopg.ClientCursor(owner) as cursor:
        cursor.execute(_SEED, given)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        owner.execute(f"ALTER TABLE engine_{table} ENABLE TRIGGER USER")


_SEED: Final = """
CREATE TEMP TABLE charge ON COMMIT DROP AS
SELECT c.body, c.body = ANY (%(failed)s) AS failed
  FROM (SELECT lpad(n::text, 22, '0') AS body FROM generate_series(0, %(charges)s - 1) AS n) AS c
 WHERE NOT c.body = ANY (%(absent)s);
INSERT INTO engine_payment_order (payment_no, order_no, merchant_no, status, amount, currency, method, fee_amount,
                                  options_digest, context, paid_at)
SELECT 'pay_' || body, 'ord_' || body, 'mch_bench', CASE WHEN failed THEN 'FAILED' ELSE 'PAID' END, %(amount)s, 'CNY',
       'QR_CODE', 0, '', '{}', CASE WHEN failed THEN NULL ELSE %(noon)s END FROM charge;
INSERT INTO engine_payment_detail (detail_no, payment_id, status, method, channel_code, amount, currency)
SELECT 'pdt_' || body, 'pay_' || body, CASE WHEN failed THEN 'FAILED' ELSE 'DONE' END, 'QR_CODE', 'sandbox', %(amount)s,
       'CNY' FROM charge;
INSERT INTO engine_channel_attempt (attempt_no, detail_id, payment_no, order_no, channel_code, status, amount, currency,
                                    channel_trade_no, failure_code, last_outcome_at)
SELECT 'att_' || body, 'pdt_' || body, 'pay_' || body, 'ord_' || body, 'sandbox',
       CASE WHEN failed THEN 'FAILED' ELSE 'SUCCEEDED' END, %(amount)s, 'CNY',
       CASE WHEN failed THEN NULL ELSE 'SBX' || body END, CASE WHEN failed THEN 'declined' END, %(noon)s FROM charge;
INSERT INTO engine_refund (refund_no, purpose, merchant_no, merchant_refund_no, order_no, payment_no, status, amount,
                           external_amount, balance_amount, currency, reason, channel_code, source, returned_fee,
                           last_outcome, last_answer, succeeded_at, failed_at)
SELECT 'rfd_' || r.body, 'ORDER', 'mch_bench', r.body, 'ord_' || r.body, 'pay_' || r.body,
       CASE WHEN r.failed THEN 'FAILED' ELSE 'SUCCESS' END, %(amount)s, %(amount)s, 0, 'CNY', '', 'sandbox', 'L20', 0,
       '', '', CASE WHEN r.failed THEN NULL ELSE %(noon)s END, CASE WHEN r.failed THEN %(noon)s END
  FROM (SELECT c.body, c.body = ANY (%(failed_refunds)s) AS failed
          FROM (SELECT lpad(n::text, 22, '0') AS body FROM generate_series(0, %(refunds)s - 1) AS n) AS c
         WHERE NOT c.body = ANY (%(absent_refunds)s)) AS r;
"""


def _of_kind(size: Size, kind: str, *, is_refund: bool) -> Iterator[int]:
    total = size.refunds if is_refund else size.charges
    for number in range(min(total, size.differences)):
        if size.kind_of(number, is_refund=is_refund) == kind:
            yield number


def _number(number: int) -> str:
    return f"{number:022d}"


def _write(size: Size, day: date, planted: set[Known]) -> Iterator[str]:
    """Yield the file's rows, noting in ``planted`` what is wrong with them."""
    account = codec.ACCOUNTS["sandbox"]
    yield f"#STATEMENT,1,sandbox,{account},{day},{day}T23:59:59+08:00\n"
    yield "type,channel_trade_no,request_no,payment_no,order_no,amount,currency,fee,occurred_at\n"
    totals: dict[str, list[int]] = {}
    lines = 0
    for is_refund, count in ((False, size.charges), (True, size.refunds)):
        for number in range(count):
            for amount, currency, fee in _figures(size, number, is_refund, planted):
                total = totals.setdefault(currency, [0, 0, 0, 0, 0])
                total[2 * is_refund] += 1
                total[2 * is_refund + 1] += amount
                total[4] += fee
                lines += 1
                body = _number(number)
                names = (
                    f"REFUND,SBR{body},rfd_{body}" if is_refund else f"CHARGE,SBX{body},att_{body}"
                )
                yield f"{names},pay_{body},ord_{body},{amount},{currency},{fee},{day}T12:00:00+08:00\n"
    for currency, total in sorted(totals.items()):
        yield f"#TOTAL,{currency},{','.join(map(str, total))}\n"
    yield f"#END,{lines}\n"


def _figures(
    size: Size, number: int, is_refund: bool, planted: set[Known]
) -> Iterator[tuple[int, str, int]]:
    """Yield amount, currency and fee of each line about one charge or refund."""
    kind = size.kind_of(number, is_refund=is_refund)
    fee = 0 if is_refund else COST
    if kind is not None:
        key = f"{'rfd_' if is_refund else 'SBX'}{_number(number)}"
        planted.add((kind, "REFUND" if is_refund else "CHARGE", key))
    if kind == "PLATFORM_ONLY":
        return
    amount = AMOUNT + {"AMOUNT_OVER": 100, "AMOUNT_UNDER": -100}.get(kind or "", 0)
    yield amount, "USD" if kind == "CURRENCY_MISMATCH" else "CNY", fee + (kind == "FEE_MISMATCH")
    if kind == "DUPLICATE":
        yield amount, "CNY", fee


def _reconcile(environment: dict[str, str], day: date, path: Path) -> tuple[float, _Watch]:
    """Run the command; returns its seconds, and what was seen of it meanwhile."""
    arguments = ["--channel", "sandbox", "--date", str(day), "--file", str(path), "--json"]
    given = {name: value for name, value in environment.items() if name != "MIGRATION_DATABASE_URL"}
    began, watch = time.monotonic(), _Watch(environment["MIGRATION_DATABASE_URL"])
    process = subprocess.Popen(
        [str(PYTHON), "manage.py", "reconcile_channel", *arguments],
        cwd=ROOT,
        env=dict(os.environ) | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch.start(process.pid)
    out, err = process.communicate()
    took = time.monotonic() - began
    watch.stop()
    if process.returncode not in {0, 1} or '"error"' in out:
        message = f"reconcile_channel ended with {process.returncode}: {out[-500:]}{err[-1500:]}"
        raise RuntimeError(message)
    json.loads(out)
    return took, watch


class _Watch:
    """Looks again and again at the command and at the database session that works for it.

    At the memory of both (MB), and at the age of a transaction of the session that has an id (seconds).
    """

    def __init__(self, owner_address: str) -> None:
        self._owner_address = owner_address
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.command_mb = self.database_mb = 0
        self.longest_s = 0.0

    def start(self, pid: int) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, pid: int) -> None:
        seen: dict[str, float] = {}
        with psycopg.connect(self._owner_address, autocommit=True) as owner:
            while not self._done.wait(_POLL_S):
                self.command_mb = max(self.command_mb, _memory_of(pid))
                sessions = owner.execute(
                    "SELECT pid, backend_xid::text FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND usename <> current_user"
                ).fetchall()
                busiest = max((_memory_of(session) for session, _xid in sessions), default=0)
                self.database_mb = max(self.database_mb, busiest)
                now, running = time.monotonic(), {xid for _session, xid in sessions if xid}
                seen = {xid: seen.get(xid, now) for xid in running}
                self.longest_s = max([self.longest_s, *(now - since for since in seen.values())])


def _memory_of(pid: int) -> int:
    """Return the memory that a process has for itself, in MB; 0 when it is gone or cannot be looked at."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    rows = [row for row in status.splitlines() if row.startswith("RssAnon")]
    return int(rows[0].split()[1]) // 1024 if rows else 0
