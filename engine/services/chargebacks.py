"""Chargebacks 拒付: the channel has pulled a payment's money back. The order stays; its refunds are limited by it.

The channel's own file says so, and the merchant bears it; or an operator's file does, and two people say who bears it.
Either way it is one row for each of the channel's numbers, written under the lock of its order: a refund that is
accepted at the same moment comes before it, and knows nothing of it, or after it, and is limited.
"""

from __future__ import annotations

from typing import Final

from django.db.models import Sum

from engine.channels.base import ChannelAnswer
from engine.models import ChannelAttempt, Chargeback, Discrepancy, LateMoney, Refund
from engine.ports import payment_owner
from engine.selectors import get_attempt, lock_payment, sum_pulled
from engine.services.cases import open_case
from engine.statement_contracts import Resolution, ResolutionNotPossible
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now

CASE_KIND: Final = "chargeback"
LINE_KIND: Final = "CHARGEBACK"
STANDS: Final = frozenset({Resolution.CHARGED, Resolution.WRITTEN_OFF})
"""What people decide when the payer keeps what was pulled back, whoever bears it."""


@transactions.start
def record_chargeback(*, line: Discrepancy, answer: ChannelAnswer, statement_no: str) -> bool:
    """Book a chargeback of a succeeded attempt, once per channel trade number, and open a case (start).

    L21 → A10: it may take the merchant's available money below zero, and the next release nets it; but never for more
    than his charge still has, less refunds and other chargebacks. The rest is short (A90 → A10), a difference for
    people. ``line`` is the difference that a line about an attempt has made. False when it was recorded before, or when
    the attempt has brought its merchant nothing that could be pulled back (then only a case is written).
    """
    seen = get_attempt(attempt_no=str(line.object_no))
    owner = payment_owner().lock_owner(order_no=seen.order_no)
    lock_payment(payment_no=seen.payment_no)
    trade_no, amount, currency = answer.channel_trade_no, answer.amount, answer.currency
    if (
        seen.status != "SUCCEEDED"
        or not trade_no
        or currency != seen.currency
        or not amount
        or amount > seen.amount
        or is_nobodys(seen)
    ):
        said = f"says {amount} {currency} were pulled back of {seen.amount} {seen.currency}"
        open_case(kind="chargeback_unclear", object_no=seen.attempt_no, detail=said)
        return False
    booked = min(amount, find_room(seen))
    row, made = Chargeback.objects.get_or_create(
        channel_code=seen.channel_code,
        channel_trade_no=trade_no,
        defaults={
            "chargeback_no": numbers.new_number(numbers.CHARGEBACK),
            "attempt_no": seen.attempt_no,
            "payment_no": seen.payment_no,
            "order_no": seen.order_no,
            "merchant_no": owner.merchant_no,
            "amount": amount,
            "booked_amount": booked if booked < amount else None,
            "currency": currency,
            "statement_no": statement_no,
        },
    )
    if made:
        _book(row)
        rest = _leave_rest(row, line)
        _tell(row, rest)
    return made


def find_room(charge: ChannelAttempt, *, asking: str | None = None) -> int:
    """Return how much of a charge has not gone back yet, by refunds or chargebacks, in minor units; its order locked.

    Refunds on their way count: their money has left the merchant. ``asking`` as in ``sum_pulled``.
    """
    refunds = Refund.objects.filter(
        order_no=charge.order_no, attempt_no=charge.attempt_no, purpose=Refund.Purpose.ORDER
    ).exclude(status="FAILED")
    refunded = int(refunds.aggregate(amount=Sum("external_amount", default=0))["amount"])
    pulled = list(Chargeback.objects.filter(order_no=charge.order_no, attempt_no=charge.attempt_no))
    if any(row.currency != charge.currency for row in pulled):
        return 0
    return max(0, int(charge.amount) - refunded - sum_pulled(pulled, asking=asking))


def _book(row: Chargeback) -> None:
    if row.booked:
        ledger.post_journal(
            draft=ledger.build_chargeback(
                chargeback_no=row.chargeback_no,
                channel_code=row.channel_code,
                merchant_no=str(row.merchant_no),
                currency=row.currency,
                amount=row.booked,
            )
        )


def _leave_rest(row: Chargeback, line: Discrepancy) -> Discrepancy | None:
    """Write and book, as short, what is not the merchant's to bear, as the next comparison of the file finds it."""
    if row.booked_amount is None:
        return None
    rest = row.amount - row.booked
    difference = Discrepancy.objects.create(
        discrepancy_no=numbers.new_number(numbers.DISCREPANCY),
        channel_code=row.channel_code,
        statement_date=line.statement_date,
        statement_no=line.statement_no,
        line_no=line.line_no,
        kind="AMOUNT_OVER",
        line_kind=LINE_KIND,
        match_key=line.match_key,
        ordinal=line.ordinal,
        channel_trade_no=line.channel_trade_no,
        object_no=row.chargeback_no,
        merchant_no=row.merchant_no,
        our_status="SUCCEEDED",
        our_amount=row.booked,
        our_currency=row.currency,
        channel_amount=row.amount,
        channel_currency=row.currency,
        channel_fee=line.channel_fee,
        difference=-rest,
        currency=row.currency,
        posted_at=database_now(),
    )
    ledger.post_journal(
        draft=ledger.build_channel_short_found(
            discrepancy_no=difference.discrepancy_no,
            channel_code=row.channel_code,
            currency=row.currency,
            amount=rest,
        )
    )
    return difference


def _tell(row: Chargeback, rest: Discrepancy | None) -> None:
    """One case for each chargeback: the first of a charge by the attempt, any other by its own number."""
    others = Chargeback.objects.filter(order_no=row.order_no, attempt_no=row.attempt_no)
    is_first = not others.exclude(pk=row.pk).exists()
    said = (
        f"{row.amount} {row.currency} of {row.order_no} were pulled back as {row.channel_trade_no}"
    )
    if rest is not None:
        said += (
            f"; its charge had {row.booked} left, which its merchant bears. {rest.discrepancy_no} is the rest:"
            " ask the channel, or write it off"
        )
    open_case(
        kind=CASE_KIND, object_no=row.attempt_no if is_first else row.chargeback_no, detail=said
    )


def is_nobodys(charge: ChannelAttempt) -> bool:
    """Whether a charge came too late and its merchant did not get it."""
    late = LateMoney.objects.filter(
        channel_code=charge.channel_code, channel_trade_no=charge.channel_trade_no
    )
    return late.exclude(status="HONOURED").exists()


def is_of_nobodys_money(row: Discrepancy) -> bool:
    """Whether the charge that a chargeback line names has brought its merchant nothing: it failed, or came too late."""
    charge = find_attempt_of(row)
    if charge is None:
        return False
    if charge.status == "SUCCEEDED":
        return is_nobodys(charge)
    late = LateMoney.objects.filter(order_no=charge.order_no, attempt_no=charge.attempt_no)
    return not late.filter(status="HONOURED").exists()


def find_attempt_of(row: Discrepancy) -> ChannelAttempt | None:
    """Return the charge that a chargeback line is about, named by it or by the chargeback that it differs from."""
    found = _find_charge(row)
    if isinstance(found, Chargeback):
        return ChannelAttempt.objects.filter(attempt_no=found.attempt_no).first()
    return found


def find_share_of_merchant(row: Discrepancy) -> int:
    """Return how much of a short difference its merchant can bear, in minor units: all, but of a chargeback only what
    his charge has left; its order locked."""
    short = abs(row.difference)
    charge = find_attempt_of(row)
    if row.line_kind != LINE_KIND or charge is None:
        return short
    return min(short, find_room(charge, asking=row.object_no))


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
