"""``manage.py trial_balance``: debits, credits and balances up to a day. 0 balanced, 1 not, 2 wrong use."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from ledger.chart import CHART
from ledger.contracts import TrialBalance
from ledger.day_books import get_trial_balance
from paymentplatform.kernel.commands import PIPE_WIDTH
from paymentplatform.kernel.money import format_amount


class Command(BaseCommand):
    """Add up the ledger per currency and kind of account."""

    help = (
        "Trial balance 试算平衡 per currency and kind of account: exit 0 when balanced, 1 when not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--date``, ``--from`` and ``--json``."""
        parser.add_argument(
            "--date",
            type=_day,
            help="accounting date YYYY-MM-DD, included; without it everything posted",
        )
        parser.add_argument(
            "--from",
            dest="from_date",
            type=_day,
            help="debits and credits from this accounting date on; the balance is that of --date",
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print it; exit 1 when debits and credits differ."""
        trial_balance = get_trial_balance(
            accounting_date=options["date"], from_date=options["from_date"]
        )
        if options["json"]:
            self.stdout.write(_as_json(trial_balance))
        else:
            _show(trial_balance, _console(cast(TextIO, self.stdout)))
        if not trial_balance.is_balanced:
            sys.exit(1)


def _console(stream: TextIO) -> Console:
    """Wide enough for amounts where no terminal says how wide it is."""
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, emoji=False, highlight=False, width=width)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date like 2026-01-31"
        raise ArgumentTypeError(message) from error


def _as_json(trial_balance: TrialBalance) -> str:
    day = trial_balance.accounting_date
    return json.dumps(
        {
            "date": day.isoformat() if day else None,
            "from": trial_balance.from_date.isoformat() if trial_balance.from_date else None,
            "balanced": trial_balance.is_balanced,
            "rows": [dataclasses.asdict(row) for row in trial_balance.rows],
        }
    )


def _show(trial_balance: TrialBalance, console: Console) -> None:
    table = Table("Currency", "Kind", "Account", title=_title(trial_balance))
    for heading in ("Accounts", "Debits", "Credits", "Balance"):
        table.add_column(heading, justify="right", overflow="fold")  # never cut a number
    for row in trial_balance.rows:
        amounts = (row.debits, row.credits, row.balance)
        table.add_row(
            row.currency,
            row.kind,
            CHART[row.kind].name,
            str(row.accounts),
            *(format_amount(amount, row.currency) for amount in amounts),
        )
    console.print(table)
    console.print("balanced" if trial_balance.is_balanced else "NOT BALANCED")


def _title(trial_balance: TrialBalance) -> str:
    begin, end = trial_balance.from_date, trial_balance.accounting_date or "now"
    return f"Trial balance from {begin} up to {end}" if begin else f"Trial balance up to {end}"
