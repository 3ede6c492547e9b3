"""Differences of channels, found in files of days that nobody else uses."""

from __future__ import annotations

import itertools
import tempfile
from datetime import date, timedelta
from pathlib import Path

from django.db import transaction

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Resolution
from engine.models import Discrepancy
from engine.services.chargebacks import record_chargeback
from engine.services.discrepancies import resolve_discrepancy
from engine.services.reconciliation import reconcile_statement
from engine.services.statements import StatementFile, import_statement
from paymentplatform.kernel import numbers
from tests.console import trades
from tests.statements import Line, write_statement

_days = itertools.count()


def bring(day: date, *lines: Line) -> None:
    """Import the lines as the sandbox's file of a day, and reconcile."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_statement(Path(folder), day, lines)
        import_statement(StatementFile("sandbox", day, path))
    reconcile_statement(channel_code="sandbox", statement_date=day)


def a_day() -> date:
    """A day in the past that nobody else uses."""
    return date(2020, 1, 1) + timedelta(days=next(_days))


def charge_back(trade: trades.Trade, amount: int) -> None:
    """The channel's own file says that it has pulled a part of a charge back."""
    name = numbers.new_number("trd")
    answer = ChannelAnswer(Outcome.SUCCEEDED, channel_trade_no=name, amount=amount, currency="CNY")
    line = Discrepancy(object_no=trade.attempt)
    assert record_chargeback(line=line, answer=answer, statement_no="stm_x")


def charge_short(trade: trades.Trade, by: int) -> None:
    """A file says less than was charged, and two people let the merchant bear it."""
    day = a_day()
    bring(day, Line(trade.trade_no, trade.attempt, trades.AMOUNT - by))
    row = Discrepancy.objects.get(match_key=trade.trade_no)
    with transaction.atomic():
        resolve_discrepancy(
            discrepancy_no=row.pk, resolution=Resolution.CHARGED, decided_by="proposal:x"
        )


def extra(*, amount: int = 7_77) -> tuple[Discrepancy, date]:
    """Money at the channel that we know nothing of, in a file of a day of its own in the past."""
    day, name = a_day(), numbers.new_number("trd")
    bring(day, Line(name, "", amount))
    return Discrepancy.objects.get(match_key=name), day
