"""``manage.py reconcile_bank``: the bank's statement of a day beside the ledger's bank account. Books nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from paymentplatform.console.services.bank_reconciliation import BankReconciliation, reconcile_bank
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount


class Command(OperatorCommand):
    """Compare. 0 everything agrees, 1 differences or no file, 2 wrong use."""

    writes = "the bank's statement; no journal"
    again = "the same file is the same statement: finds the same"
    ends_1 = "differences, or no file, or a file that is refused"
    help = "Compare the bank's statement of a day (camt.053) with the ledger's bank account, both ways."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the day and the file."""
        parser.add_argument("--date", required=True, metavar="YYYY-MM-DD", help="the day")
        parser.add_argument("--file", metavar="PATH", help="import this file first")

    def perform(self, options: dict[str, Any]) -> Report:
        """Compare."""
        try:
            day = date.fromisoformat(options["date"])
        except ValueError:
            raise InvalidRequest(f"{options['date']!r} is no date (YYYY-MM-DD).") from None
        done = reconcile_bank(
            statement_date=day,
            file=Path(options["file"]) if options["file"] else None,
            dry_run=options["dry_run"],
        )
        document = {"ok": not done.differences, "date": day, **asdict(done)}
        return Report(
            document=document | ({"dry_run": True} if options["dry_run"] else {}),
            show=lambda console: _show(done, console),
            code=FAILED if done.differences else FINE,
        )


def _show(done: BankReconciliation, console: Console) -> None:
    if not done.differences:
        console.print(f"The bank's {done.line_count} lines and our books agree.")
        return
    rows: list[tuple[Any, ...]] = [
        (
            row.kind,
            row.reference,
            row.currency,
            format_amount(row.bank_amount, row.currency),
            format_amount(row.our_amount, row.currency),
            row.next_step,
        )
        for row in done.differences
    ]
    console.print(
        build_table("Difference", "Reference", "Currency", "Bank", "Ours", "Next", rows=rows)
    )
