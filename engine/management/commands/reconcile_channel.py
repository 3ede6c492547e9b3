"""``manage.py reconcile_channel``: a channel's statement of a day beside our books, and what differs."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from engine.management.progress import read_date, show_steps
from engine.services.reconciliation import STEPS
from engine.services.reconciliation_runs import Run, RunWish, reconcile_channel
from engine.statement_contracts import DiscrepancyView
from engine.statement_selectors import iterate_discrepancies
from engine.statements.layouts import LAYOUTS
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount
from paymentplatform.kernel.spreadsheets import make_harmless

SHOWN = 50


class Command(OperatorCommand):
    """Reconcile. 0 nothing waits for anybody, 1 unresolved differences or no file, 2 wrong use."""

    help = "Import or fetch a channel's statement of one day, reconcile it and report what differs."
    writes = "statements, differences, journals; what a fetched file's lines move"
    again = "the same file is the same statement: finds the same, books nothing new"
    ends_1 = "unresolved differences, or no file, or a file that is refused"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name channel and day, perhaps a file, and where a CSV report goes."""
        parser.add_argument("--channel", required=True, metavar="CODE", help="the channel's code")
        parser.add_argument("--date", required=True, metavar="YYYY-MM-DD", help="the day")
        parser.add_argument("--file", metavar="PATH", help="import this file first")
        parser.add_argument(
            "--layout", choices=sorted(LAYOUTS), help="its form, if it cannot be told"
        )
        parser.add_argument(
            "--fetch", action="store_true", help="ask the channel again for its file"
        )
        parser.add_argument("--csv", metavar="PATH", help="write every difference of the day there")

    def perform(self, options: dict[str, Any]) -> Report:
        """Reconcile, with the step on a terminal."""
        if options["file"] and options["fetch"]:
            raise InvalidRequest("--file and --fetch exclude each other.")
        if options["csv"] and options["dry_run"]:
            raise InvalidRequest("--csv writes what is kept, and --dry-run keeps nothing.")
        wish = RunWish(
            channel_code=options["channel"],
            statement_date=read_date(options["date"]),
            file=Path(options["file"]) if options["file"] else None,
            layout=options["layout"],
            fetch=options["fetch"],
            dry_run=options["dry_run"],
        )
        with show_steps(*STEPS) as (on_progress, on_step):
            run = reconcile_channel(wish, on_progress=on_progress, on_step=on_step)
        if options["csv"]:
            _write_csv(Path(options["csv"]), run)
        return Report(
            document=_document(run, dry_run=wish.dry_run),
            show=lambda console: _show(run, console, dry_run=wish.dry_run),
            code=FAILED if run.reconciled.unresolved else FINE,
        )


def _document(run: Run, *, dry_run: bool) -> dict[str, Any]:
    done = run.reconciled
    return {
        "ok": not done.unresolved,
        "dry_run": dry_run,
        "imported": asdict(run.imported) if run.imported is not None else None,
        "statement_no": done.statement_no,
        "channel": done.channel_code,
        "date": done.statement_date,
        "version": done.version,
        "unresolved": done.unresolved,
        **done.summary,
        "list": [asdict(row) for row in _list(run)],
    }


def _list(run: Run) -> list[DiscrepancyView]:
    """The differences of the day, and those of earlier days that this run has ended the grace of."""
    done = run.reconciled
    return list(
        iterate_discrepancies(channel_code=done.channel_code, statement_date=done.statement_date)
    )


def _show(run: Run, console: Console, *, dry_run: bool) -> None:
    done, summary = run.reconciled, run.reconciled.summary
    kinds = [
        (
            kind,
            entry["count"],
            ", ".join(_money(amount, code) for code, amount in entry["difference"].items()),
        )
        for kind, entry in summary["differences"].items()
    ]
    console.print(
        f"{done.channel_code} {done.statement_date}, version {done.version}: {done.statement_no}"
    )
    if kinds:
        console.print(build_table("Difference", "Lines", "Channel less ours", rows=kinds))
    console.print(
        f"{summary['lines']} lines, {summary['agreed']} agree; {summary['waiting']} of ours wait for a later file; "
        f"{summary['new']} new, {summary['settled']} settled, {done.unresolved} unresolved."
    )
    if dry_run:
        console.print("Nothing was kept (--dry-run).")
        return
    rows = [
        (
            row.discrepancy_no,
            row.kind,
            row.line_kind,
            row.match_key,
            _money(row.difference, row.currency),
            row.status,
            row.resolution or "",
        )
        for row in _list(run)[:SHOWN]
    ]
    if rows:
        headings = (
            "Number",
            "Kind",
            "Line",
            "Known by",
            "Amount",
            "Status",
            "Resolution",
        )
        console.print(build_table(*headings, rows=rows))
    if done.unresolved:
        console.print(
            f"Next: propose how each of the {done.unresolved} ends, on its page under Differences in the console;"
            " another person approves."
        )


def _money(amount: int, currency: str) -> str:
    """Minor units for people."""
    return f"{format_amount(amount, currency)} {currency}"


def _write_csv(path: Path, run: Run) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([field.name for field in fields(DiscrepancyView)])
        writer.writerows([make_harmless(cell) for cell in astuple(row)] for row in _list(run))
        writer.writerow(["#END", len(_list(run))])
