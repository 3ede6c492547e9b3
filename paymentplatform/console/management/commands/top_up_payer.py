"""``manage.py top_up_payer``: propose money for a payer's balance; another operator approves it with ``--approve``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from paymentplatform.console.proposal_command import ProposalCommand
from paymentplatform.console.proposals.payer_top_up import PAYER_TOP_UP, build_payload


class Command(ProposalCommand):
    """Propose or approve. 0 done (or done before), 1 refused, 2 wrong use."""

    help = (
        "Propose a top-up A20 → L10, once per reference; another operator's --approve posts it. "
        "--dry-run shows the exact postings and writes nothing."
    )
    ends_1 = (
        "refused: no such payer, another top-up under this reference, no right, the same person"
    )
    kind = PAYER_TOP_UP
    needed = ("payer_no", "amount", "reference", "reason")

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare whose balance it is for."""
        parser.add_argument("payer_no", metavar="PAYER_NO", nargs="?")
        super().add_options(parser)

    def build_payload(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of what the options say."""
        return build_payload(
            payer_no=options["payer_no"],
            currency=options["currency"],
            amount=options["amount"],
            reference=options["reference"],
        )
