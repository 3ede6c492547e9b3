"""Make the demo data and print them as one JSON document."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from paymentplatform.console.demo_data import seed_demo
from paymentplatform.kernel.errors import DomainError


class Command(BaseCommand):
    """``seed_demo``: two merchants, a payer with money, an agreement, an operator. Refused in production."""

    help = "Make demo data (merchants, payer, agreement, operator); keeps what --previous names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the earlier document and the form of the answer."""
        parser.add_argument("--previous", type=Path, help="the document printed last time")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, then print."""
        previous = {}
        if options["previous"] is not None:
            try:
                previous = json.loads(options["previous"].read_text())
            except (OSError, ValueError) as error:
                raise CommandError(f"--previous cannot be read: {error}", returncode=2) from error
        try:
            seeded = seed_demo(previous=previous)
        except DomainError as refusal:
            raise CommandError(refusal.detail, returncode=1) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(seeded, ensure_ascii=False))
            return
        for name, value in seeded.items():
            self.stdout.write(f"{name:20} {value}")
