"""``manage.py account_statement CODE``: opening balance, every movement, closing balance, from one day to another."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from typing import Any

from rich.console import Console

from ledger.chart import parse_account_code
from ledger.contracts import InvalidPosting
from ledger.day_books import get_balance_at
from ledger.selectors import list_statement_entries
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount


class Command(OperatorCommand):
    """Show an account. 0 it adds up, 1 it does not, 2 wrong use."""

    help = "One account from one accounting date to another: what it had, what moved it, what it had then."
    writes = ""
    ends_1 = "it does not add up"

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the account and the days."""
        parser.add_argument("account", metavar="CODE", help="e.g. L20:mch_…:CNY")
        parser.add_argument("--from", dest="from_date", type=_day, required=True)
        parser.add_argument("--to", dest="to_date", type=_day, required=True)

    def perform(self, options: dict[str, Any]) -> Report:
        """Read it, and add it up."""
        code, begin, end = options["account"], options["from_date"], options["to_date"]
        try:
            currency = parse_account_code(code).currency
        except InvalidPosting as error:
            raise InvalidRequest(str(error)) from error
        if begin > end:
            raise InvalidRequest(f"{begin} is after {end}.")
        opening = get_balance_at(account_code=code, accounting_date=begin - timedelta(days=1))
        entries = list_statement_entries(account_code=code, from_date=begin, to_date=end)
        closing = get_balance_at(account_code=code, accounting_date=end)
        document = {
            "account": code,
            "from": begin,
            "to": end,
            "opening": opening,
            "entries": entries,
            "closing": closing,
        }
        adds_up = opening + sum(entry.change for entry in entries) == closing
        return Report(
            document,
            show=lambda console: _show(document, currency, console),
            code=FINE if adds_up else FAILED,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date like 2026-01-31"
        raise ArgumentTypeError(message) from error


def _show(document: dict[str, Any], currency: str, console: Console) -> None:
    balance = document["opening"]
    rows: list[tuple[Any, ...]] = [("", "opening", "", "", format_amount(balance, currency))]
    for entry in document["entries"]:
        balance += entry.change
        rows.append(
            (
                str(entry.accounting_date),
                f"{entry.event_type} {entry.event_id}",
                entry.counter_account,
                format_amount(entry.change, currency),
                format_amount(balance, currency),
            )
        )
    rows.append(("", "closing", "", "", format_amount(document["closing"], currency)))
    headings = ("Day", "Fact", "Other account", f"Change, {currency}", f"Balance, {currency}")
    console.print(build_table(*headings, rows=rows, title=document["account"]))
    if balance != document["closing"]:
        console.print("IT DOES NOT ADD UP: run verify_ledger.")
