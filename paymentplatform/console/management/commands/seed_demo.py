"""Make the demo data and print them as one JSON document."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from paymentplatform.console.demo_data import plan_demo, seed_demo
from paymentplatform.kernel.commands import OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest


class Command(OperatorCommand):
    """Two merchants, two payers, an agreement, two operators. 0 seeded, 1 refused in production, 2 wrong use."""

    help = "Make demo data (merchants, payers, agreement, operators); keeps what --previous names."
    writes = "demo data"
    again = "with --previous keeps all that still works; without, makes another set"
    ends_1 = "in production"

    def add_options(self, parser: ArgumentParser) -> None:
        """Take the earlier document."""
        parser.add_argument("--previous", type=Path, help="the document printed last time")

    def perform(self, options: dict[str, Any]) -> Report:
        """Seed; with --dry-run only say what would be kept and what made."""
        previous: Any = {}
        if options["previous"] is not None:
            try:
                previous = json.loads(options["previous"].read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise InvalidRequest(f"--previous cannot be read: {error}") from error
        if not isinstance(previous, dict):
            raise InvalidRequest("--previous is no document of ours.")
        if options["dry_run"]:
            return Report({"dry_run": True, **plan_demo(previous=previous)})
        return Report(dict(seed_demo(previous=previous)))
