"""``manage.py import_statement``: read an institution's file of a day, wholly or not at all."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.management.progress import read_date, show_lines
from engine.services.statements import StatementFile, fetch_statement, import_statement
from engine.statements.layouts import LAYOUTS
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Import. 0 it is there (also when it was before), 1 refused or missing, 2 wrong use."""

    help = "Import a channel's statement of one day from a file, or fetched from the channel."
    writes = "a statement and its lines"
    again = "the same file is the same statement"
    ends_1 = "no file, or a file that is refused"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name channel, day and file."""
        parser.add_argument("--channel", required=True, metavar="CODE", help="the channel's code")
        parser.add_argument("--date", required=True, metavar="YYYY-MM-DD", help="the file's day")
        parser.add_argument(
            "--file", metavar="PATH", help="the file; without it the channel is asked"
        )
        parser.add_argument(
            "--layout", choices=sorted(LAYOUTS), help="its form, if it cannot be told"
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Read it, with the number of lines on a terminal."""
        day = read_date(options["date"])
        dry_run = options["dry_run"]
        with show_lines() as on_progress:
            if options["file"] is not None:
                path = Path(options["file"])
                file = StatementFile(options["channel"], day, path, layout=options["layout"])
                done = import_statement(file, dry_run=dry_run, on_progress=on_progress)
            else:
                done = fetch_statement(
                    channel_code=options["channel"],
                    statement_date=day,
                    dry_run=dry_run,
                    on_progress=on_progress,
                )
        return Report(asdict(done))
