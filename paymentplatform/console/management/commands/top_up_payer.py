"""``manage.py top_up_payer``: bring money into a payer's balance; one operator asks, another one approves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from paymentplatform.console.services.top_ups import TopUp, top_up_payer
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Top up. 0 posted (or posted before under this reference), 1 refused, 2 wrong use."""

    help = "Post a top-up A20 → L10 once per reference; --dry-run shows the exact postings."
    moves_money = True

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the money and the two operators."""
        parser.add_argument("payer_no", metavar="PAYER_NO")
        parser.add_argument("--amount", type=int, required=True, help="minor units")
        parser.add_argument("--currency", default="CNY")
        parser.add_argument("--reference", required=True, help="e.g. the bank's number; used once")
        parser.add_argument("--operator", required=True, help="who asks")
        parser.add_argument("--approve-by", required=True, metavar="OPERATOR", help="who approves")
        parser.add_argument("--reason", required=True)

    def perform(self, options: dict[str, Any]) -> Report:
        """Post it, or show what would be posted."""
        top_up = TopUp(
            reference=options["reference"],
            payer_no=options["payer_no"],
            currency=options["currency"],
            amount=options["amount"],
            operator=options["operator"],
            approved_by=options["approve_by"],
            reason=options["reason"],
        )
        done = top_up_payer(top_up, dry_run=options["dry_run"])
        return Report(
            {
                "dry_run": options["dry_run"],
                "reference": top_up.reference,
                "payer_no": top_up.payer_no,
                "journal_no": done.journal_no,
                "repeated": done.repeated,
                "postings": [
                    {
                        "debit": posting.debit,
                        "credit": posting.credit,
                        "amount": posting.amount,
                        "currency": top_up.currency,
                    }
                    for posting in done.postings
                ],
            }
        )
