"""``manage.py query_payment``: ask the channel now, and let the funnel apply what it says."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from engine.contracts import PaymentProgress
from engine.services.inquiries import preview_query, query_payment_or_order
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Inquire. 0 asked (whatever the answer), 1 no such payment or order, 2 wrong use."""

    help = "Ask the channel about a payment that is under way and show how it stands."
    writes = "what the channel's answer moves: attempt, payment, order, journal, event"
    again = "asks again while the payment lives; then only looks"
    ends_1 = "no such payment or order"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the payment, or its order."""
        parser.add_argument(
            "number",
            metavar="NUMBER",
            help="our number of the payment (pay_…), or of the order (ord_…): its live or latest payment",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask; with --dry-run only tell whom it would ask."""
        if options["dry_run"]:
            progress, channel_code = preview_query(number=options["number"])
            return Report(_document(progress) | {"would_ask": channel_code, "dry_run": True})
        return Report(_document(query_payment_or_order(number=options["number"])))


def _document(progress: PaymentProgress) -> dict[str, Any]:
    return {
        "payment_no": progress.payment_no,
        "order_no": progress.order_no,
        "status": progress.status.value,
        "failure_code": progress.failure_code,
    }
