"""Settlements of channels: what a channel owed has arrived in our bank account, less what it kept."""

from __future__ import annotations

import re
from typing import Final

from engine.channels.registry import find_channel
from engine.models import ChannelSettlement
from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound

_REFERENCE: Final = re.compile(r"[A-Za-z0-9_./:-]{1,64}\Z")


@transactions.require
def preview_channel_settlement(
    *, channel_code: str, currency: str, gross: int, cost: int, reference: str
) -> JournalDraft:
    """Return the journal that this settlement would post (require). Raises NotFound and InvalidRequest."""
    if find_channel(channel_code) is None:
        raise NotFound(f"There is no channel {channel_code}.")
    if not _REFERENCE.match(reference):
        raise InvalidRequest("A reference has 1 to 64 letters, digits and _ . / : -")
    return ledger.build_channel_settled(
        reference=f"{channel_code}/{reference}",
        channel_code=channel_code,
        currency=currency,
        gross=gross,
        cost=cost,
    )


@transactions.require
def record_channel_settlement(
    *,
    channel_code: str,
    currency: str,
    gross: int,
    cost: int,
    reference: str,
    decided_by: str,
) -> str:
    """Write a settlement down and book it, once per channel and reference; returns its number (require).

    Amounts in minor units. Raises as ``preview_channel_settlement`` does.
    """
    draft = preview_channel_settlement(
        channel_code=channel_code, currency=currency, gross=gross, cost=cost, reference=reference
    )
    row, _made = ChannelSettlement.objects.get_or_create(
        channel_code=channel_code,
        reference=reference,
        defaults={
            "settlement_no": numbers.new_number(numbers.CHANNEL_SETTLEMENT),
            "currency": currency,
            "gross": gross,
            "cost": cost,
            "decided_by": decided_by,
        },
    )
    ledger.post_journal(
        draft=draft
    )  # other figures under a known reference end in an error of the ledger
    return str(row.settlement_no)


def find_channel_settlement(*, channel_code: str, reference: str) -> str | None:
    """Return the number of the settlement under this reference, if there is one."""
    found = ChannelSettlement.objects.filter(channel_code=channel_code, reference=reference)
    return found.values_list("settlement_no", flat=True).first()
