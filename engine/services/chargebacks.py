"""Chargebacks 拒付: the channel has pulled a payment's money back. The order stays; its refunds are limited by it.

The channel's own file says so, and the merchant bears it; or an operator's file does, and two people say who bears it.
Either way it is one row for each of the channel's numbers, written under the lock of its order: a refund that is
accepted at the same moment comes before it, and knows nothing of it, or after it, and is limited.
"""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from engine.channels.base import ChannelAnswer
from engine.models import ChannelAttempt, Chargeback, Discrepancy, LateMoney
from engine.ports import payment_owner
from engine.selectors import get_attempt, lock_payment
from engine.services.cases import open_case
from engine.statement_contracts import Resolution, ResolutionNotPossible
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions

CASE_KIND: Final = "chargeback"
LINE_KIND: Final = "CHARGEBACK"
STANDS: Final = frozenset({Resolution.CHARGED, Resolution.WRITTEN_OFF})
"""What people decide when the payer keeps what was pulled back, whoever bears it."""


@transactions.start
def record_chargeback(*, attempt_no: str, answer: ChannelAnswer, statement_no: str) -> bool:
    """Book a chargeback of a succeeded attempt, once per channel trade number, and open a case (start).

    L21 → A10: it may take the merchant's available money below zero, and the next release nets it. False when it was
    recorded before, or when the attempt has brought its merchant nothing that could be pulled back (then only a case is
    written).
    """
    seen = get_attempt(attempt_no=attempt_no)
    owner = payment_owner().lock_owner(order_no=seen.order_no)
    lock_payment(payment_no=seen.payment_no)
    trade_no, amount, currency = answer.channel_trade_no, answer.amount, answer.currency
    if (
        seen.status != "SUCCEEDED"
        or not trade_no
        or currency != seen.currency
        or not amount
        or amount > seen.amount
        or _is_nobodys(seen)
    ):
        said = f"says {amount} {currency} were pulled back of {seen.amount} {seen.currency}"
        open_case(kind="chargeback_unclear", object_no=attempt_no, detail=said)
        return False
    row, made = Chargeback.objects.get_or_create(
        channel_code=seen.channel_code,
        channel_trade_no=trade_no,
        defaults={
            "chargeback_no": numbers.new_number(numbers.CHARGEBACK),
            "attempt_no": attempt_no,
            "payment_no": seen.payment_no,
            "order_no": seen.order_no,
            "merchant_no": owner.merchant_no,
            "amount": amount,
            "currency": currency,
            "statement_no": statement_no,
        },
    )
    if made:
        ledger.post_journal(
            draft=ledger.build_chargeback(
                chargeback_no=row.chargeback_no,
                channel_code=row.channel_code,
                merchant_no=str(row.merchant_no),
                currency=row.currency,
                amount=row.amount,
            )
        )
        said = f"{row.amount} {row.currency} of {row.order_no} were pulled back as {trade_no}"
        open_case(kind=CASE_KIND, object_no=attempt_no, detail=said)
    return made


def _is_nobodys(charge: ChannelAttempt) -> bool:
    """Whether a charge came too late and its merchant did not get it."""
    late = LateMoney.objects.filter(
        channel_code=charge.channel_code, channel_trade_no=charge.channel_trade_no
    )
    return late.exclude(status="HONOURED").exists()


def is_of_nobodys_money(row: Discrepancy) -> bool:
    """Whether the charge that a chargeback line names has brought its merchant nothing: it failed, or came too late."""
    charge = _find_charge(row)
    if not isinstance(charge, ChannelAttempt):
        return False
    if charge.status == "SUCCEEDED":
        return _is_nobodys(charge)
    late = LateMoney.objects.filter(order_no=charge.order_no, attempt_no=charge.attempt_no)
    return not late.filter(status="HONOURED").exists()


def find_pulled_back(late: LateMoney) -> str | None:
    """Return the number of a chargeback of late money's charge, or of the difference that waits to become one.

    Its order must be locked. It counts for however much it is: a part leaves it to people as all of it does.
    """
    booked = Chargeback.objects.filter(order_no=late.order_no, attempt_no=late.attempt_no)
    waiting = _list_waiting(late)
    return (
        booked.values_list("chargeback_no", flat=True).first()
        or waiting.values_list("discrepancy_no", flat=True).first()
    )


def is_pulled_back_at_our_loss(late: LateMoney) -> bool:
    """Whether two people have written off a chargeback of late money's charge, and no other waits; order locked."""
    written_off = Chargeback.objects.filter(
        order_no=late.order_no,
        attempt_no=late.attempt_no,
        currency=late.currency,
        discrepancy_no__in=Discrepancy.objects.filter(
            channel_code=late.channel_code,
            object_no=late.attempt_no,
            line_kind=LINE_KIND,
            resolution=Resolution.WRITTEN_OFF,
        ).values("discrepancy_no"),
    )
    return written_off.exists() and not _list_waiting(late).exists()


def _list_waiting(late: LateMoney) -> QuerySet[Discrepancy]:
    return Discrepancy.objects.filter(
        channel_code=late.channel_code,
        line_kind=LINE_KIND,
        kind="CHANNEL_ONLY",
        object_no=late.attempt_no,
        resolved_at__isnull=True,
    )


@transactions.require
def lock_pulled_back(row: Discrepancy) -> None:
    """Lock order and payment of a chargeback line's difference, before the difference itself (require)."""
    of = _find_charge(row)
    if of is not None:
        payment_owner().lock_owner(order_no=of.order_no)
        lock_payment(payment_no=of.payment_no)


def check_pulled_back_once(row: Discrepancy, resolution: Resolution) -> None:
    """Raise ResolutionNotPossible when what people want to book is booked already; its order must be locked."""
    if row.line_kind != LINE_KIND or row.kind != "CHANNEL_ONLY" or resolution not in STANDS:
        return
    booked = _find_booked(row)
    if booked is not None:
        raise ResolutionNotPossible(
            f"It is booked as {booked.chargeback_no}: reconcile {row.statement_date} again."
        )


@transactions.require
def keep_resolved_chargeback(row: Discrepancy, resolution: Resolution) -> None:
    """Let refunds be limited by a chargeback that two people have resolved (require); posts nothing.

    Its order is locked (``lock_pulled_back``). Nothing is written of a line that names no charge of ours.
    """
    charge = _find_charge(row)
    if row.kind != "CHANNEL_ONLY" or resolution not in STANDS or charge is None:
        return
    Chargeback.objects.create(
        chargeback_no=numbers.new_number(numbers.CHARGEBACK),
        channel_code=row.channel_code,
        channel_trade_no=row.match_key,
        attempt_no=charge.attempt_no,
        payment_no=charge.payment_no,
        order_no=charge.order_no,
        merchant_no=str(row.merchant_no),
        amount=abs(row.difference),
        currency=row.currency,
        statement_no=row.statement_no,
        discrepancy_no=row.discrepancy_no,
    )


def _find_charge(row: Discrepancy) -> ChannelAttempt | Chargeback | None:
    """Return the charge that a chargeback line names, or the chargeback that it differs from."""
    if row.line_kind != LINE_KIND or row.object_no is None:
        return None
    if numbers.is_number(row.object_no, numbers.ATTEMPT):
        return ChannelAttempt.objects.filter(attempt_no=row.object_no).first()
    return _find_booked(row)


def _find_booked(row: Discrepancy) -> Chargeback | None:
    return Chargeback.objects.filter(
        channel_code=row.channel_code, channel_trade_no=row.match_key
    ).first()
