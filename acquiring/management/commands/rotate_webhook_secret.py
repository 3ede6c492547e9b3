"""``manage.py rotate_webhook_secret``: a new signing secret for a merchant; the one before signs beside it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from acquiring.services.merchants import rotate_webhook_secret
from paymentplatform.kernel import transactions
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Rotate. 0 added, 1 no such merchant, or two secrets sign already; 2 wrong use."""

    help = "Add a webhook secret: webhooks carry two signatures, by it and by the one before."
    writes = "the merchant's webhook secrets"
    again = "refused: two sign already (`--drop-oldest` drops the older)"
    ends_1 = "no such merchant, or two secrets sign already"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the merchant."""
        parser.add_argument("--merchant", required=True, metavar="MERCHANT_NO")
        parser.add_argument(
            "--drop-oldest",
            action="store_true",
            help="where two secrets sign already: the older one signs no more",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Add the secret and show it, once; with --dry-run only tell whether that is possible."""
        dry_run = options["dry_run"]
        rotate = transactions.rehearse(rotate_webhook_secret) if dry_run else rotate_webhook_secret
        secret = rotate(merchant_no=options["merchant"], drop_oldest=options["drop_oldest"])
        if dry_run:
            return Report({"merchant_no": options["merchant"], "dry_run": True})
        return Report({"merchant_no": options["merchant"], "webhook_secret": secret})
