"""``manage.py resend_notifications``: deliver merchant events again."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from acquiring.services.redeliveries import ResendReport, resend_deliveries, resend_events

STATUSES = ("DEAD", "SKIPPED", "DELIVERED")


class Command(BaseCommand):
    """Make new deliveries for the worker. Exit 0 fine, 1 something could not be resent, 2 wrong use."""

    help = "Deliver merchant events again: chosen ones (--event), or all that ended in one state."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--event", action="append", default=[], metavar="EVENT_ID")
        parser.add_argument("--merchant", metavar="MERCHANT_NO")
        parser.add_argument(
            "--status",
            choices=STATUSES,
            help="resend what ended so and was not resent since, e.g. DEAD or SKIPPED",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be resent")
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Resend and print what was done."""
        if bool(options["event"]) == bool(options["status"]):
            raise CommandError("Give either --event (repeatable) or --status.", returncode=2)
        if options["status"]:
            report = resend_deliveries(
                status=options["status"],
                merchant_no=options["merchant"],
                dry_run=options["dry_run"],
            )
        else:
            report = resend_events(
                event_ids=options["event"],
                merchant_no=options["merchant"],
                dry_run=options["dry_run"],
            )
        self._report(report, dry_run=options["dry_run"], as_json=options["json"])
        if report.failures:
            sys.exit(1)

    def _report(self, report: ResendReport, *, dry_run: bool, as_json: bool) -> None:
        if as_json:
            failures = [{"event_id": event_id, "code": code} for event_id, code in report.failures]
            document = {
                "dry_run": dry_run,
                "resent": report.resent,
                "failures": failures,
                "passed_over": report.passed_over,
            }
            self.stdout.write(json.dumps(document))
            return
        verb = "would be made" if dry_run else "made"
        what = (
            "1 new delivery" if len(report.resent) == 1 else f"{len(report.resent)} new deliveries"
        )
        self.stdout.write(f"{what} {verb}.")
        for reason, count in sorted(report.passed_over.items()):
            self.stdout.write(f"Passed over: {count} {reason}.")
        for event_id, code in report.failures:
            self.stderr.write(f"{event_id}: {code}")
