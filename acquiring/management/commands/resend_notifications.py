"""``manage.py resend_notifications``: deliver merchant events again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from rich.console import Console

from acquiring.services.redeliveries import ResendReport, resend_deliveries, resend_events
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report
from paymentplatform.kernel.errors import InvalidRequest

STATUSES = ("DEAD", "SKIPPED", "DELIVERED")


class Command(OperatorCommand):
    """Make new deliveries for the worker. Exit 0 fine, 1 something could not be resent, 2 wrong use."""

    help = "Deliver merchant events again: chosen ones (--event), or all that ended in one state."
    writes = "deliveries"
    again = "--status: finds what was not resent since; --event: sends again, under the same id"
    ends_1 = "an event could not be resent (the others were), or there is no such merchant"

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--event", action="append", default=[], metavar="EVENT_ID")
        parser.add_argument("--merchant", metavar="MERCHANT_NO")
        parser.add_argument(
            "--status",
            choices=STATUSES,
            help="resend what ended so and was not resent since, e.g. DEAD or SKIPPED",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Resend and tell what was done."""
        if bool(options["event"]) == bool(options["status"]):
            raise InvalidRequest("Give either --event (repeatable) or --status.")
        how = {"merchant_no": options["merchant"], "dry_run": options["dry_run"]}
        if options["status"]:
            done = resend_deliveries(status=options["status"], **how)
        else:
            done = resend_events(event_ids=options["event"], **how)
        return Report(
            {
                "dry_run": options["dry_run"],
                "resent": done.resent,
                "failures": [
                    {"event_id": event_id, "code": code} for event_id, code in done.failures
                ],
                "passed_over": done.passed_over,
            },
            show=lambda console: _show(done, console, dry_run=options["dry_run"]),
            code=FAILED if done.failures else FINE,
        )


def _show(done: ResendReport, console: Console, *, dry_run: bool) -> None:
    verb = "would be made" if dry_run else "made"
    what = "1 new delivery" if len(done.resent) == 1 else f"{len(done.resent)} new deliveries"
    console.print(f"{what} {verb}.")
    for reason, count in sorted(done.passed_over.items()):
        console.print(f"Passed over: {count} {reason}.")
    for event_id, code in done.failures:
        console.print(f"{event_id}: {code}", markup=False)
