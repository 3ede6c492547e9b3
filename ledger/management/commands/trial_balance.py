"""``manage.py trial_balance``: debits, credits and balances up to a day. 0 balanced, 1 not, 2 wrong use."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from ledger.chart import CHART
from ledger.contracts import TrialBalance
from ledger.day_books import get_trial_balance
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount


class Command(OperatorCommand):
    """Add up the ledger per currency and kind of account. 0 balanced, 1 not, 2 wrong use."""

    help = (
        "Trial balance 试算平衡 per currency and kind of account: exit 0 when balanced, 1 when not."
    )
    writes = ""
    ends_1 = "debits and credits differ"

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ``--date`` and ``--from``."""
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

    def perform(self, options: dict[str, Any]) -> Report:
        """Add it up."""
        begin, end = options["from_date"], options["date"]
        if begin is not None and end is not None and begin > end:
            raise InvalidRequest(f"{begin} is after {end}.")
        trial_balance = get_trial_balance(accounting_date=end, from_date=begin)
        return Report(
            _document(trial_balance),
            show=lambda console: _show(trial_balance, console),
            code=FINE if trial_balance.is_balanced else FAILED,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date like 2026-01-31"
        raise ArgumentTypeError(message) from error


def _document(trial_balance: TrialBalance) -> dict[str, Any]:
    return {
        "date": trial_balance.accounting_date,
        "from": trial_balance.from_date,
        "balanced": trial_balance.is_balanced,
        "rows": [dataclasses.asdict(row) for row in trial_balance.rows],
    }


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
