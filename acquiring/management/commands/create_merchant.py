"""``manage.py create_merchant``: a merchant with a key, a webhook secret and a fee contract; secrets shown once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from acquiring.models import Merchant
from acquiring.services.merchants import create_merchant
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Create. 0 made, 2 wrong use."""

    help = "Create a merchant and print its numbers and secrets; the secrets cannot be read again."

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the merchant's settings."""
        parser.add_argument("--name", required=True, help="shown to payers")
        parser.add_argument(
            "--return-origin",
            action="append",
            default=[],
            metavar="ORIGIN",
            help="scheme://host[:port] that return_url may have; repeatable",
        )
        parser.add_argument(
            "--fee-rate-ppm",
            type=int,
            default=0,
            help="millionths of each payment (6000 is 0.6 %%)",
        )
        parser.add_argument(
            "--late-money-policy",
            choices=Merchant.LateMoneyPolicy.values,
            default=Merchant.LateMoneyPolicy.REFUND,
            help="what happens to money that comes too late",
        )
        parser.add_argument(
            "--late-money-ask-minutes",
            type=int,
            default=60,
            help="how long the merchant may take to answer, with the policy ASK",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Create the merchant."""
        made = create_merchant(
            name=options["name"],
            return_origins=tuple(options["return_origin"]),
            fee_rate_ppm=options["fee_rate_ppm"],
            late_money_policy=options["late_money_policy"],
            late_money_ask_minutes=options["late_money_ask_minutes"],
        )
        return Report(
            {
                "merchant_no": made.merchant_no,
                "key_id": made.credential.key_id,
                "secret_key": made.credential.secret,
                "webhook_secret": made.webhook_secret,
            }
        )
