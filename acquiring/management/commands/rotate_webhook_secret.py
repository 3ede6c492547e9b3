"""``manage.py rotate_webhook_secret``: a new signing secret for a merchant; the one before signs beside it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from acquiring.services.merchants import rotate_webhook_secret
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Rotate. 0 added, 1 no such merchant, 2 wrong use. Run again, it drops the secret before the last."""

    help = "Add a webhook secret: webhooks carry two signatures, by it and by the one before."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the merchant."""
        parser.add_argument("--merchant", required=True, metavar="MERCHANT_NO")

    def perform(self, options: dict[str, Any]) -> Report:
        """Add the secret and show it, once."""
        secret = rotate_webhook_secret(merchant_no=options["merchant"])
        return Report({"merchant_no": options["merchant"], "webhook_secret": secret})
