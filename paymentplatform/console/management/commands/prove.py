"""``manage.py prove``: is everything that was promised about the stored money true? One snapshot, every app."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress

from paymentplatform.console.selectors import ALL_INVARIANTS, Proof
from paymentplatform.console.services.proofs import take_proof
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.invariants import Difference


class Command(OperatorCommand):
    """Ask every invariant. 0 all hold, 1 rows break one, 2 wrong use."""

    writes = "the answer, on the page Proofs"
    again = "asks again"
    ends_1 = "rows break an invariant"
    help = "Check every invariant of the platform in one snapshot; rows in flight are shown and do not count."

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask, with a progress bar on a terminal."""
        with Progress(
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        ) as progress:
            task = progress.add_task("Proving", total=len(ALL_INVARIANTS))
            proof_no, proof = take_proof(
                on_done=lambda _: progress.advance(task), keep=not options["dry_run"]
            )
        return Report(
            document=_document(proof) | {"proof_no": proof_no},
            show=lambda console: _show(proof, console),
            code=FAILED if proof.violations else FINE,
        )


def _document(proof: Proof) -> dict[str, Any]:
    return {
        "ok": not proof.violations,
        "taken_at": proof.taken_at,
        "invariants": [
            {
                "number": proven.invariant.number,
                "title": proven.invariant.title,
                "always": proven.invariant.always,
                "violations": len(proven.violations),
                "in_flight": len(proven.in_flight),
                "seconds": round(proven.seconds, 3),
            }
            for proven in proof.invariants
        ],
        "differences": [_row(row) for row in proof.violations],
        "in_flight": [_row(row) for row in proof.in_flight],
    }


def _row(row: Difference) -> dict[str, Any]:
    return {
        "invariant": row.invariant,
        "title": row.title,
        "subject": row.subject,
        "problem": row.problem,
    }


def _show(proof: Proof, console: Console) -> None:
    rows: list[tuple[Any, ...]] = [
        (
            proven.invariant.number,
            proven.invariant.title,
            f"{len(proven.violations)} rows" if proven.violations else "holds",
            len(proven.in_flight) or "",
        )
        for proven in proof.invariants
    ]
    console.print(build_table("No.", "Invariant", "Result", "In flight", rows=rows))
    for row in proof.violations:
        console.print(f"{row.invariant}: {row.subject}: {row.problem}", markup=False)
    for row in proof.in_flight:
        console.print(f"{row.invariant}: in flight: {row.subject}: {row.problem}", markup=False)
    if not proof.violations:
        console.print("The books are in order.")
        return
    console.print("THE BOOKS ARE NOT IN ORDER.")
    console.print(
        "Next: keep this, stop what writes wrong things, and correct money by journals of two people, never by SQL."
    )
