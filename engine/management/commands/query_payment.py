"""``manage.py query_payment``: ask the channel now, and let the funnel apply what it says."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from engine.services.inquiries import query_payment_or_order
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Inquire. 0 asked (whatever the answer), 1 no such payment or order, 2 wrong use."""

    help = "Ask the channel about a payment that is under way and show how it stands."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the payment, or its order."""
        parser.add_argument(
            "number",
            metavar="NUMBER",
            help="our number of the payment (pay_…), or of the order (ord_…): its live or latest payment",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask."""
        progress = query_payment_or_order(number=options["number"])
        return Report(
            {
                "payment_no": progress.payment_no,
                "order_no": progress.order_no,
                "status": progress.status.value,
                "failure_code": progress.failure_code,
            }
        )
