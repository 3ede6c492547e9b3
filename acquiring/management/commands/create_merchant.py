"""``manage.py create_merchant``: a merchant with a key, a webhook secret and a fee contract; secrets shown once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from acquiring.models import Merchant
from acquiring.services.merchants import create_merchant
from paymentplatform.kernel import transactions
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Create. 0 made, or made before; 1 the reference is another merchant's, 2 wrong use."""

    writes = "a merchant, its key, secret and fee contract"
    again = "with `--reference` the same merchant, without its secrets; else one more merchant"
    ends_1 = "another merchant under this reference"
    help = "Create a merchant and print its numbers and secrets; the secrets cannot be read again."

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the merchant's settings."""
        parser.add_argument("--name", required=True, help="shown to payers")
        parser.add_argument(
            "--reference",
            help="your own number for this wish: again with it, no second merchant is made",
        )
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
        """Create the merchant; with --dry-run only check what was given."""
        create = transactions.rehearse(create_merchant) if options["dry_run"] else create_merchant
        made = create(
            name=options["name"],
            return_origins=tuple(options["return_origin"]),
            fee_rate_ppm=options["fee_rate_ppm"],
            late_money_policy=options["late_money_policy"],
            late_money_ask_minutes=options["late_money_ask_minutes"],
            reference=options["reference"],
        )
        if options["dry_run"]:
            return Report({"dry_run": True, "merchant_no": None, "name": options["name"]})
        if made.repeated:
            known = {"merchant_no": made.merchant_no, "key_id": made.credential.key_id}
            return Report(known | {"repeated": True})
        return Report(
            {
                "merchant_no": made.merchant_no,
                "key_id": made.credential.key_id,
                "secret_key": made.credential.secret,
                "webhook_secret": made.webhook_secret,
            }
        )
