"""``manage.py query_payment``: ask the channel now, and let the funnel apply what it says."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from engine.services.inquiries import query_payment
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Inquire. 0 asked (whatever the answer), 1 no such payment, 2 wrong use."""

    help = "Ask the channel about a payment that is under way and show how it stands."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the payment."""
        parser.add_argument("payment_no", metavar="PAYMENT_NO")

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask."""
        progress = query_payment(payment_no=options["payment_no"])
        return Report(
            {
                "payment_no": progress.payment_no,
                "order_no": progress.order_no,
                "status": progress.status.value,
                "failure_code": progress.failure_code,
            }
        )
