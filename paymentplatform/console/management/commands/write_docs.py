"""``manage.py write_docs``: bring into ``docs/`` what is made from the code."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from paymentplatform.console.docs.writing import write_docs
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest

DOCS: Final = Path(__file__).resolve().parents[4] / "docs"


class Command(OperatorCommand):
    """Write errors, schema, diagrams and tables. 0 fine, 1 with ``--check`` when something was stale, 2 wrong use."""

    writes = "files of docs/; nothing of the platform"
    again = "finds nothing stale"
    ends_1 = "with --check: something is stale"
    help = "Write docs/errors.md, docs/openapi.yaml and the made sections of other pages from the code."

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ``--check`` and ``--folder``."""
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
        parser.add_argument("--folder", type=Path, default=DOCS)

    def perform(self, options: dict[str, Any]) -> Report:
        """Write, or look what would change."""
        if not options["folder"].is_dir():
            raise InvalidRequest(f"There is no folder {options['folder']}.")
        looks = options["check"] or options["dry_run"]
        stale = write_docs(folder=options["folder"], dry_run=looks)
        word = "stale" if looks else "written"
        return Report(document={word: stale}, code=FAILED if options["check"] and stale else FINE)
