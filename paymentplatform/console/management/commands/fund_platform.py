"""``manage.py fund_platform``: propose the platform's own money; another operator approves it with ``--approve``."""

from __future__ import annotations

from typing import Any

from paymentplatform.console.proposal_command import ProposalCommand
from paymentplatform.console.proposals.platform_funding import PLATFORM_FUNDING, build_payload


class Command(ProposalCommand):
    """Propose or approve. 0 done (or done before), 1 refused, 2 wrong use."""

    help = (
        "Propose money that the platform pays in itself, A20 → E10, once per reference; another operator's --approve "
        "posts it. --dry-run shows the exact postings and writes nothing."
    )
    ends_1 = "refused: another funding under this reference, no right, the same person"
    kind = PLATFORM_FUNDING
    needed = ("amount", "reference", "reason")

    def build_payload(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of what the options say."""
        return build_payload(
            currency=options["currency"],
            amount=options["amount"],
            reference=options["reference"],
        )
