"""``manage.py rebuild_balances``: set stored balances to what postings and holds say."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from rich.console import Console

from ledger.chart import parse_account_code
from ledger.contracts import InvalidPosting
from ledger.selectors import find_wrong_balances
from ledger.services import rebuild_balances
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest


class Command(OperatorCommand):
    """Rebuild. 0 done; safe to run again, at once, and on a busy platform."""

    writes = "stored balances and roll-ups; no posting"
    again = "finds nothing wrong"
    ends_1 = "never"
    help = (
        "Compare stored balances and roll-ups with postings and open holds, and set right those that differ. "
        "No posting is made or changed."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare which accounts."""
        parser.add_argument(
            "--account", metavar="CODE", action="append", help="only this one; may be repeated"
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Set right, or with --dry-run only say what is wrong."""
        codes = options["account"]
        try:
            for code in codes or ():
                parse_account_code(code)
        except InvalidPosting as error:
            raise InvalidRequest(str(error)) from error
        wrong = (
            find_wrong_balances(account_codes=codes)
            if options["dry_run"]
            else rebuild_balances(account_codes=codes)
        )
        return Report(
            {"dry_run": options["dry_run"], "accounts": wrong},
            show=lambda console: _show(wrong, console, dry_run=options["dry_run"]),
        )


def _show(wrong: list[str], console: Console, *, dry_run: bool) -> None:
    if not wrong:
        console.print("Stored balances and roll-ups are what postings and open holds say.")
        return
    for code in wrong:
        console.print(code, markup=False)
    console.print(
        "These are wrong; run it again without --dry-run to set them right."
        if dry_run
        else "These were wrong and are set right. Find out why: no code may write them otherwise."
    )
