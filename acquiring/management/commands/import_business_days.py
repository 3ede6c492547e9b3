"""``manage.py import_business_days FILE``: holidays and worked weekends, which move the days of settlement."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from acquiring.services.business_days import import_business_days
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest


class Command(OperatorCommand):
    """Import. 0 done, 2 wrong use: then nothing was taken over; safe to run again."""

    writes = "the calendar of business days"
    again = "writes the same days"
    ends_1 = "never"
    help = "Take over a CSV of day,open|closed,name (UTF-8); a day that is known is overwritten."

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument("file", metavar="FILE", help="- reads standard input")

    def perform(self, options: dict[str, Any]) -> Report:
        """Read the file, take it over whole."""
        try:
            text = (
                sys.stdin.read()
                if options["file"] == "-"
                else Path(options["file"]).read_text(encoding="utf-8-sig")
            )
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"Cannot read {options['file']}: {error}") from error
        dry_run = options["dry_run"]
        return Report(
            {"days": import_business_days(text=text, dry_run=dry_run), "dry_run": dry_run}
        )
