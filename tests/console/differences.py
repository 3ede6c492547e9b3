"""Differences of channels, found in files of days that nobody else uses."""

from __future__ import annotations

import itertools
import tempfile
from datetime import date, timedelta
from pathlib import Path

from engine.models import Discrepancy
from engine.services.reconciliation import reconcile_statement
from engine.services.statements import StatementFile, import_statement
from paymentplatform.kernel import numbers
from tests.statements import Line, write_statement

_days = itertools.count()


def bring(day: date, *lines: Line) -> None:
    """Import the lines as the sandbox's file of a day, and reconcile."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_statement(Path(folder), day, lines)
        import_statement(StatementFile("sandbox", day, path))
    reconcile_statement(channel_code="sandbox", statement_date=day)


def extra(*, amount: int = 7_77) -> tuple[Discrepancy, date]:
    """Money at the channel that we know nothing of, in a file of a day of its own in the past."""
    day, name = date(2020, 1, 1) + timedelta(days=next(_days)), numbers.new_number("trd")
    bring(day, Line(name, "", amount))
    return Discrepancy.objects.get(match_key=name), day
