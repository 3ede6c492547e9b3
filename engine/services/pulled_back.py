"""Late money 迟到资金 of which its channel has pulled something back: so much of it goes to nobody a second time.

A chargeback names an attempt, not one of the late moneys that came for it. So it is counted: what was pulled back of an
attempt has to stay in suspense, on whichever of them, until it is booked against the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, QuerySet, Sum

from engine.late_money import name_pulled_back
from engine.models import ChannelAttempt, Chargeback, Discrepancy, LateMoney
from engine.selectors import sum_pulled
from engine.services.chargebacks import LINE_KIND, is_nobodys
from engine.statement_contracts import Resolution
from ledger import api as ledger

_LOSSES = (Resolution.WRITTEN_OFF, Resolution.RECOVERED)


@dataclass(frozen=True, slots=True)
class PulledBack:
    """What was pulled back of the late moneys of one attempt, in minor units, the order being locked.

    ``by`` is the number of a chargeback, or of a difference that waits to become one. ``waiting``: known, and not
    booked against any of them yet. ``at_our_loss``: of that, written off by two people, so it can be booked.
    """

    by: str | None
    waiting: int
    at_our_loss: int


def look_up_pulled_back(late: LateMoney) -> PulledBack:
    """Count what is known of the attempt that late money came for."""
    booked = list(
        Chargeback.objects.filter(
            order_no=late.order_no, attempt_no=late.attempt_no, currency=late.currency
        ).order_by("pk")
    )
    undecided = list(_list_undecided(late, booked))
    known = sum_pulled(booked) + sum(-row.difference for row in undecided)
    applied = _list_late(late).aggregate(total=Sum("pulled_back_amount", default=0))["total"]
    lost = Discrepancy.objects.filter(
        channel_code=late.channel_code,
        line_kind=LINE_KIND,
        match_key__in=[row.channel_trade_no for row in booked],
        currency=late.currency,
        resolution__in=_LOSSES,
    ).aggregate(total=Sum("difference", default=0))["total"]
    named = [row.chargeback_no for row in booked] + [row.discrepancy_no for row in undecided]
    return PulledBack(
        by=named[0] if named else None,
        waiting=max(0, known - applied),
        at_our_loss=max(0, -lost - applied),
    )


def find_pulled_back(late: LateMoney, charge: ChannelAttempt) -> str | None:
    """Return by what open late money was pulled back, when the others of its attempt do not hold so much; else None.

    Of a second charge it is enough that anything was pulled back: it may as well be of the good one.
    """
    pulled = look_up_pulled_back(late)
    others = _list_late(late).filter(status="OPEN").exclude(pk=late.pk)
    left = others.aggregate(total=Sum(F("amount") - F("pulled_back_amount"), default=0))["total"]
    held_by_others = 0 if is_second_charge(late, charge) else int(left)
    return pulled.by if pulled.waiting > held_by_others else None


def find_part_at_our_loss(late: LateMoney) -> int:
    """Return how much of open late money makes good what two people have written off, in minor units."""
    return min(late.left, look_up_pulled_back(late).at_our_loss)


def list_pulled_back(late_money_no: str) -> list[str]:
    """Return by what names the journals of parts that were pulled back are known, in their order."""
    named: list[str] = []
    booked = 0
    while True:
        reference = name_pulled_back(late_money_no, before=booked)
        journal = ledger.find_journal(event_type="late_money_pulled_back", event_id=reference)
        if journal is None:
            return named
        named.append(reference)
        booked += sum(posting.amount for posting in journal.postings)


def is_second_charge(late: LateMoney, charge: ChannelAttempt) -> bool:
    """Whether a chargeback may as well be of a good charge of the same attempt: people know which, we do not."""
    good = charge.status == "SUCCEEDED" and not is_nobodys(charge)
    return good and charge.channel_trade_no != late.channel_trade_no


def _list_late(late: LateMoney) -> QuerySet[LateMoney]:
    return LateMoney.objects.filter(
        order_no=late.order_no, attempt_no=late.attempt_no, currency=late.currency
    )


def _list_undecided(late: LateMoney, booked: list[Chargeback]) -> QuerySet[Discrepancy]:
    """Differences about chargebacks of the attempt that wait: not of those whose rest is counted as pulled already."""
    whole = [row.chargeback_no for row in booked if row.booked_amount is None]
    return Discrepancy.objects.filter(
        channel_code=late.channel_code,
        line_kind=LINE_KIND,
        kind__in=("CHANNEL_ONLY", "AMOUNT_OVER"),
        object_no__in=[late.attempt_no, *whole],
        currency=late.currency,
        resolved_at__isnull=True,
    ).order_by("pk")
