"""The table of kinds: a kind that stands here can be proposed, shown, approved and expired; nothing else is needed."""

from __future__ import annotations

from typing import Final

from paymentplatform.console.proposals.base import ProposalKind
from paymentplatform.console.proposals.case_resolution import CASE_RESOLUTION
from paymentplatform.console.proposals.channel_enabling import CHANNEL_ENABLING
from paymentplatform.console.proposals.channel_settlement import CHANNEL_SETTLEMENT
from paymentplatform.console.proposals.discrepancy_resolution import DISCREPANCY_RESOLUTION
from paymentplatform.console.proposals.fee_contract import FEE_CONTRACT
from paymentplatform.console.proposals.journal_reversal import JOURNAL_REVERSAL
from paymentplatform.console.proposals.late_money_decision import LATE_MONEY_DECISION
from paymentplatform.console.proposals.merchant_key import MERCHANT_KEY
from paymentplatform.console.proposals.operator_access import OPERATOR_ACCESS
from paymentplatform.console.proposals.payer_top_up import PAYER_TOP_UP
from paymentplatform.console.proposals.payout import PAYOUT_RESULT, PAYOUT_RETURN, PAYOUT_SENDING
from paymentplatform.console.proposals.platform_funding import PLATFORM_FUNDING
from paymentplatform.console.proposals.refund import REFUND
from paymentplatform.console.proposals.route_book import ROUTE_BOOK
from paymentplatform.console.proposals.settlement_hold import SETTLEMENT_HOLD_LIFTING

KINDS: Final[dict[str, ProposalKind]] = {
    kind.name: kind
    for kind in (
        # One file beside this one for each kind, one line here.
        PAYER_TOP_UP,
        PLATFORM_FUNDING,
        LATE_MONEY_DECISION,
        CASE_RESOLUTION,
        PAYOUT_SENDING,
        PAYOUT_RESULT,
        PAYOUT_RETURN,
        FEE_CONTRACT,
        SETTLEMENT_HOLD_LIFTING,
        DISCREPANCY_RESOLUTION,
        CHANNEL_SETTLEMENT,
        CHANNEL_ENABLING,
        ROUTE_BOOK,
        OPERATOR_ACCESS,
        MERCHANT_KEY,
        REFUND,
        JOURNAL_REVERSAL,
    )
}
