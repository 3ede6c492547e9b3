"""``manage.py settle_merchants``: release what is due by a day and make the payouts, as the clock does."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from datetime import date
from typing import Any

from rich.console import Console
from rich.progress import Progress

from acquiring.services.settlement import settle_merchants
from acquiring.settlement_contracts import SettlementRun
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.money import format_amount


class Command(OperatorCommand):
    """Settle. 0 done, 1 some merchant could not be settled, 2 wrong use; safe to run again, and at once."""

    writes = "items, batches, payouts, release journals"
    again = "finds nothing due"
    ends_1 = "a merchant could not be settled (the others were), or there is no such merchant"
    help = "Release what is due by a day (T+n by business days) and make a payout of what is available."

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the day and the merchant."""
        parser.add_argument(
            "--date",
            type=_day,
            help="business day YYYY-MM-DD, not in the future; today unless given",
        )
        parser.add_argument("--merchant", metavar="MERCHANT_NO", help="settle only this merchant")

    def perform(self, options: dict[str, Any]) -> Report:
        """Settle everybody; what fails for one merchant does not stop the others."""
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("Merchants and currencies", total=None)
            run = settle_merchants(
                settlement_date=options["date"],
                merchant_no=options["merchant"],
                dry_run=options["dry_run"],
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        document = {"dry_run": options["dry_run"], **asdict(run)}
        return Report(
            document,
            show=lambda console: _show(run, console),
            code=FAILED if run.failures else FINE,
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date like 2026-01-31"
        raise ArgumentTypeError(message) from error


def _show(run: SettlementRun, console: Console) -> None:
    console.print(
        f"{run.settlement_date}: {run.accounts} merchants and currencies, {len(run.batches)} batches, "
        f"{len(run.payouts)} payouts, {len(run.failures)} failed, {run.busy} busy with another run"
    )
    if run.batches:
        rows: list[tuple[Any, ...]] = [
            (one.batch_no or "–", one.merchant_no, one.items, _money(one.released, one.currency))
            for one in run.batches
        ]
        console.print(build_table("Batch", "Merchant", "Items", "Released", rows=rows))
    if run.payouts:
        rows = [
            (one.payout_no, one.merchant_no, one.status, _money(one.amount, one.currency))
            for one in run.payouts
        ]
        console.print(build_table("Payout", "Merchant", "Status", "Amount", rows=rows))
    waiting = [one.payout_no for one in run.payouts if one.status == "CREATED"]
    if waiting:
        console.print(
            f"Next: propose to send each of the {len(waiting)} payouts, on its page under Payouts in the console;"
            " another person approves, then order it at the bank."
        )
    if not (run.batches or run.payouts or run.failures):
        console.print("Nothing is due, or nothing that is due is above zero.")
    for failure in run.failures:
        console.print(f"{failure.merchant_no} {failure.currency}: {failure.problem}", markup=False)


def _money(amount: int, currency: str) -> str:
    return f"{format_amount(amount, currency)} {currency}"
