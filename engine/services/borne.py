"""Who has borne what of one trade that a channel's file shows otherwise, as the journals say.

Decided by two people, or a chargeback that the channel's own file has told. Money that comes after all goes back to
whoever bore it. What late money has made good of a loss nobody bears any more: it was its payer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.models import Chargeback, Discrepancy, LateMoney
from engine.services.chargebacks import find_attempt_of
from engine.services.pulled_back import look_up_pulled_back
from engine.statement_contracts import STANDING, Resolution
from ledger import api as ledger
from ledger.contracts import AccountKind

FACTS: Final = {
    Resolution.CREDITED: "channel_long_credited",
    Resolution.RECOVERED: "channel_loss_recovered",
    Resolution.CHARGED: "channel_short_charged",
    Resolution.WRITTEN_OFF: "channel_short_written_off",
}
"""What the ledger calls each resolution that stands."""

_MERCHANTS: Final = frozenset({AccountKind.MERCHANT_PENDING, AccountKind.MERCHANT_AVAILABLE})


@dataclass(frozen=True, slots=True)
class Borne:
    """What the platform, and the merchant, have borne of a trade and not got back, in minor units.

    Below zero: what a merchant has got of it beyond what was booked.
    """

    platform: int = 0
    merchant: int = 0


def sum_borne(row: Discrepancy) -> Borne:
    """Return who has borne what of the trade that a difference is about, in its currency and of its merchant."""
    decided = Discrepancy.objects.filter(
        channel_code=row.channel_code,
        line_kind=row.line_kind,
        match_key=row.match_key,
        currency=row.currency,
        resolution__in=STANDING,
    )
    facts = [(FACTS[Resolution(str(one.resolution))], one.pk) for one in decided.exclude(pk=row.pk)]
    if row.line_kind == "CHARGEBACK":
        told = Chargeback.objects.filter(
            channel_code=row.channel_code,
            channel_trade_no=row.match_key,
            currency=row.currency,
            discrepancy_no__isnull=True,
        )
        facts += [("chargeback", number) for number in told.values_list("pk", flat=True)]
    platform, merchant = 0, 0
    for event_type, event_id in facts:
        journal = ledger.find_journal(event_type=event_type, event_id=event_id)
        for posting in journal.postings if journal is not None else ():
            for code, amount in (
                (posting.debit, posting.amount),
                (posting.credit, -posting.amount),
            ):
                account = ledger.parse_account_code(code)
                if account.kind == AccountKind.RECONCILIATION_LOSS:
                    platform += amount
                elif account.kind in _MERCHANTS and account.owner == row.merchant_no:
                    merchant += amount
    return Borne(min(platform, _find_loss_that_stands(row, platform)), merchant)


def _find_loss_that_stands(row: Discrepancy, loss: int) -> int:
    """Return what of a loss by chargebacks late money has not made good (L90 → X90); else all of it."""
    charge = find_attempt_of(row)
    if row.line_kind != "CHARGEBACK" or charge is None:
        return loss
    made_good = LateMoney.objects.filter(
        order_no=charge.order_no,
        attempt_no=charge.attempt_no,
        currency=row.currency,
        pulled_back_amount__gt=0,
    ).first()
    return loss if made_good is None else look_up_pulled_back(made_good).at_our_loss
