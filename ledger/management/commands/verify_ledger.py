"""``manage.py verify_ledger``: does the ledger keep its promises? 0 yes, 1 differences, 2 wrong use."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser
from typing import Any

from rich.console import Console

from ledger.day_books import is_sealed
from ledger.sealed_invariants import SEALED_INVARIANTS, VERIFIED
from ledger.selectors import find_differences
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.invariants import Difference


class Command(OperatorCommand):
    """Ask every invariant of the ledger, in one snapshot. 0 all hold, 1 rows break one, 2 wrong use."""

    help = "Check the ledger's invariants in one snapshot: exit 0 when all hold, 1 when rows break one."
    writes = ""
    ends_1 = "rows break an invariant, or the anchor is not in the chain"

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ``--anchor``."""
        parser.add_argument(
            "--anchor", metavar="HASH", help="an anchor kept elsewhere: it must be in the chain"
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask, and look for the anchor."""
        differences = find_differences()
        if options["anchor"] is not None and not is_sealed(anchor=options["anchor"]):
            chain = SEALED_INVARIANTS[0]
            problem = "is not in the chain: the journals it stood for were changed"
            differences.append(
                Difference(chain.number, chain.title, str(options["anchor"]), problem)
            )
        return Report(
            _document(differences),
            show=lambda console: _show(differences, console),
            code=FAILED if differences else FINE,
        )


def _document(differences: list[Difference]) -> dict[str, Any]:
    return {
        "ok": not differences,
        "invariants": [
            {
                "number": invariant.number,
                "title": invariant.title,
                "differences": _count(differences, invariant.title),
            }
            for invariant in VERIFIED
        ],
        "differences": [dataclasses.asdict(found) for found in differences],
    }


def _count(differences: list[Difference], title: str) -> int:
    return sum(found.title == title for found in differences)


def _show(differences: list[Difference], console: Console) -> None:
    rows: list[tuple[Any, ...]] = [
        (invariant.number, invariant.title, _count(differences, invariant.title) or "holds")
        for invariant in sorted(VERIFIED, key=lambda one: one.number)
    ]
    console.print(build_table("No.", "Invariant", "Rows", rows=rows, title="Ledger"))
    for found in differences:
        console.print(
            f"{found.invariant}: {found.subject}: {found.problem}", markup=False, soft_wrap=True
        )
