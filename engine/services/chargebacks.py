"""Chargebacks 拒付: the channel has pulled a payment's money back. The merchant bears it; the order stays."""

from __future__ import annotations

from engine.channels.base import ChannelAnswer
from engine.models import Chargeback
from engine.ports import payment_owner
from engine.selectors import get_attempt, lock_payment
from engine.services.cases import open_case
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions

CASE_KIND = "chargeback"


@transactions.start
def record_chargeback(*, attempt_no: str, answer: ChannelAnswer, statement_no: str) -> bool:
    """Book a chargeback of a succeeded attempt, once per channel trade number, and open a case (start).

    L21 → A10: it may take the merchant's available money below zero, and the next release nets it. False when it was
    recorded before, or when the attempt has taken nothing that could be pulled back (then only a case is written).
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
                merchant_no=row.merchant_no,
                currency=row.currency,
                amount=row.amount,
            )
        )
        said = f"{row.amount} {row.currency} of {row.order_no} were pulled back as {trade_no}"
        open_case(kind=CASE_KIND, object_no=attempt_no, detail=said)
    return made
