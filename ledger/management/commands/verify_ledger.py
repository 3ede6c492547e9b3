"""``manage.py verify_ledger``: does the ledger keep its promises? 0 yes, 1 differences, 2 wrong use."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from ledger.day_books import is_sealed
from ledger.sealed_invariants import SEALED_INVARIANTS, VERIFIED
from ledger.selectors import find_differences
from paymentplatform.kernel.invariants import Difference


class Command(BaseCommand):
    """Ask every invariant of the ledger, in one snapshot."""

    help = "Check the ledger's invariants in one snapshot: exit 0 when all hold, 1 when rows break one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--anchor`` and ``--json``."""
        parser.add_argument(
            "--anchor", metavar="HASH", help="an anchor kept elsewhere: it must be in the chain"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print what was found; exit 1 when there is anything."""
        differences = find_differences()
        if options["anchor"] is not None and not is_sealed(anchor=options["anchor"]):
            chain = SEALED_INVARIANTS[0]
            problem = "is not in the chain: the journals it stood for were changed"
            differences.append(
                Difference(chain.number, chain.title, str(options["anchor"]), problem)
            )
        if options["json"]:
            self.stdout.write(_as_json(differences))
        else:
            _show(differences, Console(file=self.stdout, emoji=False, highlight=False))  # type: ignore[arg-type]
        if differences:
            sys.exit(1)


def _as_json(differences: list[Difference]) -> str:
    return json.dumps(
        {
            "ok": not differences,
            "invariants": [
                {
                    "number": invariant.number,
                    "title": invariant.title,
                    "differences": sum(found.title == invariant.title for found in differences),
                }
                for invariant in VERIFIED
            ],
            "differences": [dataclasses.asdict(found) for found in differences],
        },
        ensure_ascii=False,
    )


def _show(differences: list[Difference], console: Console) -> None:
    table = Table("No.", "Invariant", "Rows", title="Ledger")
    for invariant in VERIFIED:
        rows = sum(found.title == invariant.title for found in differences)
        table.add_row(str(invariant.number), invariant.title, str(rows) if rows else "holds")
    console.print(table)
    for found in differences:
        console.print(
            f"{found.invariant}: {found.subject}: {found.problem}", markup=False, soft_wrap=True
        )
