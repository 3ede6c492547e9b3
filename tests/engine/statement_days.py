"""Business days of a test's own at the sandbox: files, what they differ in, and what is then in the books."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from engine import api as engine
from engine.contracts import Resolution
from engine.models import Statement
from engine.services.reconciliation import reconcile_statement
from engine.services.statements import StatementFile, import_statement
from engine.statement_contracts import ReconciledStatement
from paymentplatform.console.channel_invariants import (
    CHANNEL_OWES_SUCCESSES,
    SUSPENSE_IS_EXPLAINED,
)
from tests.clock import VirtualClock
from tests.console import trades
from tests.statements import Line, write_statement
from tests.trading import balance_of, rows

CHANNEL = "sandbox"
A10, A90, L90 = (f"{kind}:{CHANNEL}:CNY" for kind in ("A10", "A90", "L90"))
AMOUNT = trades.AMOUNT
DAYS = itertools.count(20, 20)


@dataclass
class Day:
    """A business day of a test's own, far from everybody else's, and what was booked on it."""

    clock: VirtualClock
    folder: Path
    date: date
    files: Iterator[int] = field(default_factory=itertools.count)

    def next(self, days: int = 1) -> None:
        """Go on to a later day."""
        self.clock.advance(86_400 * days)
        self.date += timedelta(days=days)

    def bring(self, *lines: Line, verified: bool = False, day: date | None = None) -> None:
        """Import the lines as the file of a day: an operator's, or the institution's own."""
        day = day or self.date
        path = write_statement(self.folder, day, lines, name=f"{next(self.files)}.csv")
        source = Statement.Source.FETCHED if verified else Statement.Source.FILE
        import_statement(StatementFile(CHANNEL, day, path, source=source))

    def reconcile(
        self, *lines: Line, verified: bool = False, day: date | None = None
    ) -> ReconciledStatement:
        """Import the lines as the day's file and reconcile."""
        self.bring(*lines, verified=verified, day=day)
        return self.again(day=day)

    def again(self, *, day: date | None = None) -> ReconciledStatement:
        """Reconcile the day with the file that counts."""
        return reconcile_statement(channel_code=CHANNEL, statement_date=day or self.date)


def unexplained() -> dict[str, Any]:
    """By how much each account is off in what ``prove`` asks; tests of other things leave such books here."""
    off: dict[str, Any] = {}
    for row in (*rows(CHANNEL_OWES_SUCCESSES), *rows(SUSPENSE_IS_EXPLAINED)):
        figures = [int(figure) for figure in re.findall(r"-?\d+", row["problem"])]
        is_sum = row["problem"].startswith("is ")
        off[row["subject"]] = figures[0] - figures[-1] if is_sum else row["problem"]
    return off


def moved(books: dict[str, int]) -> tuple[int, int, int]:
    """How A10, A90 and L90 have changed."""
    return tuple(balance_of(code) - before for code, before in books.items())  # type: ignore[return-value]


def line_of(trade: trades.Trade, **changes: Any) -> Line:
    """The line that says what we have booked."""
    return Line(trade.trade_no, trade.attempt, AMOUNT).but(**changes)


def found(*names: str) -> list[dict[str, Any]]:
    """The differences about these, oldest first."""
    return rows(
        "SELECT * FROM engine_discrepancy WHERE match_key = ANY(%s) ORDER BY discrepancy_no",
        list(names),
    )


def kinds(*names: str) -> list[tuple[str, str, int]]:
    """Kind, status and signed amount of the differences about these."""
    return [(row["kind"], row["status"], row["difference"]) for row in found(*names)]


def resolve(row: dict[str, Any], resolution: Resolution) -> None:
    """What the approval of a proposal does."""
    with transaction.atomic():
        engine.resolve_discrepancy(
            discrepancy_no=row["discrepancy_no"], resolution=resolution, decided_by="proposal:x"
        )


def paid() -> trades.Trade:
    """10.00 taken by the channel for an order."""
    return trades.paid_by_channel()
