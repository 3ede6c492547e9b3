"""``manage.py payer_statement``: what a payer had, every movement, and what was left; per currency."""

from __future__ import annotations

import csv
import io
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from rich.console import Console

from checkout.statements import AccountStatement, PayerStatement, get_payer_statement
from paymentplatform.kernel.commands import OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount
from paymentplatform.kernel.spreadsheets import make_harmless

CSV_COLUMNS = (
    "currency",
    "at",
    "accounting_date",
    "event_type",
    "reference",
    "journal_no",
    "amount",
    "balance",
)


class Command(OperatorCommand):
    """Write a statement. 0 written, 1 no such payer, 2 wrong use."""

    help = "A payer's statement out of the ledger's postings; --json and --csv in minor units."

    writes = ""
    ends_1 = "no such payer"

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the payer, the days and the form."""
        parser.add_argument("--payer", required=True, metavar="PAYER_NO")
        parser.add_argument("--from", type=_day, dest="from_date", help="first business day")
        parser.add_argument("--to", type=_day, dest="to_date", help="last business day, included")
        parser.add_argument("--csv", action="store_true", help="CSV with opening and closing rows")

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask for the statement and lay it out."""
        if options["csv"] and options["json"]:
            raise InvalidRequest("Give --json or --csv, not both.")
        statement = get_payer_statement(
            payer_no=options["payer"], from_date=options["from_date"], to_date=options["to_date"]
        )
        show = _write_csv if options["csv"] else _show
        return Report(_document(statement), show=lambda console: show(statement, console))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date like 2026-01-31"
        raise ArgumentTypeError(message) from error


def _document(statement: PayerStatement) -> dict[str, Any]:
    return {
        "payer_no": statement.payer_no,
        "from": statement.from_date,
        "to": statement.to_date,
        "accounts": list(statement.accounts),
    }


def _write_csv(statement: PayerStatement, console: Console) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for account in statement.accounts:
        currency = account.currency
        days = (statement.from_date, statement.to_date)
        opening, closing = account.opening_balance, account.closing_balance
        writer.writerow([currency, "", days[0], "opening_balance", "", "", "", opening])
        for move in account.movements:
            writer.writerow(
                [
                    currency,
                    move.at.isoformat(),
                    move.accounting_date,
                    move.event_type,
                    make_harmless(move.reference),
                    move.journal_no,
                    move.amount,
                    move.balance,
                ]
            )
        writer.writerow([currency, "", days[1], "closing_balance", "", "", "", closing])
    console.file.write(text.getvalue())


def _show(statement: PayerStatement, console: Console) -> None:
    console.print(
        f"{statement.payer_no} {statement.display_name}, "
        f"{statement.from_date} to {statement.to_date}",
        markup=False,
    )
    for account in statement.accounts:
        console.print(_table(account))
    if not statement.accounts:
        console.print("No money ever.")


def _table(account: AccountStatement) -> Any:
    currency = account.currency
    rows: list[tuple[Any, ...]] = [
        (
            _show_time(move.at),
            move.event_type,
            move.reference,
            format_amount(move.amount, currency),
            format_amount(move.balance, currency),
        )
        for move in account.movements
    ]
    return build_table(
        *("Time", "Fact", "Reference", "Amount", "Balance"),
        rows=[
            ("", "opening_balance", "", "", format_amount(account.opening_balance, currency)),
            *rows,
            ("", "closing_balance", "", "", format_amount(account.closing_balance, currency)),
        ],
        title=currency,
    )


def _show_time(at: datetime) -> str:
    local = at.astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE))
    return local.isoformat(sep=" ", timespec="seconds")
