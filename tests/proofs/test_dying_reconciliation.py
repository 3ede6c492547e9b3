"""kill -9 inside an import and inside a reconciliation: the next run finds what was done, and does the rest once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.models import Chargeback, Discrepancy, Statement, StatementLine
from engine.services.reconciliation import settle_booked_differences
from engine.services.statements import StatementFile, import_statement
from paymentplatform.console import selectors
from paymentplatform.kernel import numbers
from tests.console import trades
from tests.environment import ROOT
from tests.statements import Line, write_statement
from tests.trading import balance_of, rows

CHANNEL = "sandbox"
ACCOUNTS = tuple(f"{kind}:{CHANNEL}:CNY" for kind in ("A10", "A90", "L90"))
EXTRA, PULLED = 7_77, 6_00
_days = itertools.count()

NOTHING = (0, 0, 0)
BOOKED = (EXTRA, 0, EXTRA)
"""The unknown charge is in suspense; nothing has spoken."""
SPOKEN = (EXTRA + trades.AMOUNT, 0, EXTRA)
"""The first line has paid its order, too."""
DONE = (EXTRA + trades.AMOUNT - PULLED, 0, EXTRA)
"""And the second has pulled a part of another order back."""
LEFT_BEHIND = {
    "statement_before_commit": (0, NOTHING),
    "statement_kept": (0, NOTHING),
    "reconciliation_read": (0, NOTHING),
    "reconciliation_before_commit": (0, NOTHING),
    "reconciliation_committed": (3, BOOKED),
    "statement_line_spoken": (3, SPOKEN),
}
"""How many differences are written, and how A10, A90 and L90 have moved, after a death at each place."""
DEATHS_OF_RECONCILIATION = frozenset(LEFT_BEHIND)


@dataclass
class File:
    """A file of a day of its own: one charge nobody knows, one of an open payment, one chargeback."""

    folder: Path
    day: date
    waiting: trades.Trade
    charged: trades.Trade
    lines: tuple[Line, ...]

    @property
    def path(self) -> Path:
        """The file on disk."""
        return write_statement(self.folder, self.day, self.lines)

    def run(self, *more: str) -> int:
        """Reconcile as an operator does, in a process that may die; returns how it ended."""
        command = [sys.executable, "manage.py", "reconcile_channel", "--channel", CHANNEL]
        done = subprocess.run(
            [*command, "--date", str(self.day), "--json", *more],
            cwd=ROOT,
            env={**os.environ, "PLATFORM_FAILPOINT_DIR": str(self.folder)},
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode

    def differences(self) -> list[Discrepancy]:
        """What is written down about its lines."""
        names = [line.trade_no for line in self.lines]
        return list(Discrepancy.objects.filter(match_key__in=names).order_by("line_no"))

    def order_of(self, trade: trades.Trade) -> str:
        """How an order stands."""
        (row,) = rows("SELECT status FROM acquiring_trade_order WHERE order_no = %s", trade.order)
        return str(row["status"])


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file of the past, so that the institution is not asked for another; what others left is settled before."""
    settle_booked_differences(channel_code=CHANNEL)
    waiting, charged = trades.paying(), trades.paid_by_channel()
    names = [numbers.new_number("trd") for _ in range(3)]
    lines = (
        Line(names[0], waiting.attempt, trades.AMOUNT),
        Line(names[1], charged.attempt, PULLED, kind="CHARGEBACK", fee=0),
        Line(names[2], "", EXTRA),
    )
    day = date(2014, 1, 1) + timedelta(days=next(_days))
    return File(tmp_path, day, waiting, charged, lines)


@pytest.mark.parametrize("name", sorted(LEFT_BEHIND))
def test_a_killed_run_books_nothing_twice(file: File, name: str):
    before = [balance_of(code) for code in ACCOUNTS]

    def moved() -> tuple[int, ...]:
        return tuple(balance_of(code) - was for code, was in zip(ACCOUNTS, before, strict=True))

    imports = name.startswith("statement_") and name != "statement_line_spoken"
    arguments = ["--file", str(file.path)] if imports else []
    if not imports:
        import_statement(StatementFile(CHANNEL, file.day, file.path, Statement.Source.FETCHED))
    (file.folder / name).touch()
    assert file.run(*arguments) == -signal.SIGKILL
    assert not (file.folder / name).exists()
    count, booked = LEFT_BEHIND[name]
    assert (len(file.differences()), moved()) == (count, booked)
    kept = Statement.objects.filter(statement_date=file.day, channel_code=CHANNEL)
    assert kept.count() == (name != "statement_before_commit")
    lines = StatementLine.objects.filter(match_key__in=[line.trade_no for line in file.lines])
    assert lines.count() == 3 * kept.count()
    assert [statement.voiced_at for statement in kept.all()] == [None] * kept.count()

    if imports:  # the institution gives the same file: now it is its own word
        import_statement(StatementFile(CHANNEL, file.day, file.path, Statement.Source.FETCHED))
    for _again in range(2):
        assert file.run() == 1  # the unknown charge waits for people
        assert moved() == DONE
        ends = [(one.kind, one.resolution) for one in file.differences()]
        assert ends == [
            ("STATUS_MISMATCH", "BOOKED_SINCE"),
            ("CHANNEL_ONLY", "BOOKED_SINCE"),
            ("CHANNEL_ONLY", None),
        ]
    assert (file.order_of(file.waiting), file.order_of(file.charged)) == ("SUCCESS", "SUCCESS")
    assert Chargeback.objects.filter(channel_trade_no=file.lines[1].trade_no).count() == 1
    assert kept.count() == 1
    _assert_proved(file)


def _assert_proved(file: File) -> None:
    named = {
        *(line.trade_no for line in file.lines),
        *(row.pk for row in file.differences()),
        *file.waiting.numbers,
        *file.charged.numbers,
    }
    proof: Any = selectors.prove_invariants()
    assert [row for row in proof.violations if any(word in row.subject for word in named)] == []
