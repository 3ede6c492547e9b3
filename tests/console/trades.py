"""Whole trades, made through the same services as everybody's, without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec
from django.db import transaction

from acquiring import api as acquiring
from acquiring.contracts import CloseReason, CreateOrder, CreateRefund, Method
from acquiring.models import BusinessDay, MerchantEvent, SettlementItem
from acquiring.services.callers import authenticate_bearer
from acquiring.services.orders import create_order
from acquiring.services.refunds import create_refund
from checkout.contracts import PayOptions
from checkout.services.acceptance import pay_order
from checkout.services.wishes import PayCommand
from engine import api as engine
from engine.channels.base import ChannelAnswer, Outcome
from engine.models import ChannelAttempt, LateMoney, PaymentDetail
from engine.services.outcomes import apply_attempt_outcome
from engine.services.refund_outcomes import apply_refund_outcome
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import business_date, database_now
from tests.makers import make_merchant, make_payer, order_body
from tests.slots import no_slot_free
from tests.waiting import wait_until

__all__ = ["ChannelAttempt", "LateMoney", "MerchantEvent", "Outcome", "PaymentDetail"]

AMOUNT = 10_00
FEE = 6
REFUNDED = 4_00
CHANNEL = "sandbox"
PART = 3_00


@dataclass(frozen=True)
class Trade:
    """The numbers of one order and of what belongs to it."""

    merchant: dict[str, str]
    order: str
    payment: str = ""
    attempt: str = ""
    payer: str = ""
    trade_no: str = ""
    refund: str = ""

    @property
    def numbers(self) -> set[str]:
        """Everything that names this trade."""
        return {
            value
            for value in (
                self.order,
                self.payment,
                self.attempt,
                self.payer,
                self.trade_no,
                self.refund,
            )
            if value
        }


def placed(*, merchant: dict[str, str] | None = None, **changes: object) -> Trade:
    """An order that nobody has paid; its merchant wants to be told."""
    merchant = merchant or make_merchant()
    told = {"notify_url": "https://shop.example.com/notify"} | changes
    body = msgspec.convert(order_body(amount=AMOUNT, **told), CreateOrder)
    identity = authenticate_bearer(secret=merchant["secret_key"])
    _, answer = create_order(body=body, merchant=identity)
    return Trade(merchant, msgspec.json.decode(answer)["order_no"])


def paid_by_balance(**changes: object) -> Trade:
    """SUCCESS, out of a payer's balance."""
    trade = placed(**changes)
    payer = make_payer()
    result = pay_order(
        PayCommand(
            order_no=trade.order,
            method=Method.BALANCE,
            options=PayOptions(),
            cause="cashier",
            merchant_no=trade.merchant["merchant_no"],
            payer_no=payer,
        )
    )
    assert result.status == "PAID"
    return Trade(trade.merchant, trade.order, result.payment_no, payer=payer)


def paying(**changes: object) -> Trade:
    """PAYING through a channel that has not answered; nothing was sent."""
    trade = placed(**changes)
    payment_no = numbers.new_number(numbers.PAYMENT)
    acquiring.start_payment(
        new=engine.NewPayment(
            payment_no=payment_no,
            order_no=trade.order,
            merchant_no=trade.merchant["merchant_no"],
            method="QR_CODE",
            amount=AMOUNT,
            currency="CNY",
            fee_amount=FEE,
            options_digest="x",
            candidates=(CHANNEL,),
            subject="Tea",
            expires_at=database_now() + timedelta(minutes=15),
            return_url="",
        ),
        cause="api",
    )
    attempt = ChannelAttempt.objects.get(payment_no=payment_no)
    return Trade(trade.merchant, trade.order, payment_no, attempt.attempt_no)


def combined(*, part: int = PART, **changes: object) -> Trade:
    """PAYING, a part of it held from a payer's balance, the rest asked of a channel that has not answered."""
    trade, payer = placed(**changes), make_payer()
    payment_no = numbers.new_number(numbers.PAYMENT)
    acquiring.start_payment(
        new=engine.NewPayment(
            payment_no=payment_no,
            order_no=trade.order,
            merchant_no=trade.merchant["merchant_no"],
            method="QR_CODE",
            amount=AMOUNT,
            currency="CNY",
            fee_amount=FEE,
            options_digest="x",
            candidates=(CHANNEL,),
            subject="Tea",
            expires_at=database_now() + timedelta(minutes=15),
            return_url="",
            plan=engine.plan_exchange(
                amount=AMOUNT,
                assets=(engine.InternalAsset(payer, part),),
                external_method="QR_CODE",
            ),
        ),
        cause="api",
    )
    attempt = ChannelAttempt.objects.get(payment_no=payment_no)
    return Trade(trade.merchant, trade.order, payment_no, attempt.attempt_no, payer)


def answered(
    trade: Trade, outcome: Outcome, *, trade_no: str | None = None, amount: int = AMOUNT
) -> Trade:
    """The channel's answer goes through the funnel."""
    succeeded = outcome == Outcome.SUCCEEDED
    trade_no = trade_no or (numbers.new_number("trd") if succeeded else "")
    answer = ChannelAnswer(
        outcome=outcome,
        channel_trade_no=trade_no or None,
        amount=amount if succeeded else None,
        currency="CNY" if succeeded else None,
    )
    apply_attempt_outcome(attempt_no=trade.attempt, answer=answer, cause=engine.Cause.INQUIRY)
    return Trade(trade.merchant, trade.order, trade.payment, trade.attempt, "", trade_no)


def paid_by_channel(**changes: object) -> Trade:
    """SUCCESS, collected by the channel."""
    return answered(paying(**changes), Outcome.SUCCEEDED)


def refunded(trade: Trade, *, amount: int = REFUNDED) -> Trade:
    """A refund is accepted, and is done at once if it goes to a balance; no channel is called."""
    with no_slot_free():
        _, answer = create_refund(
            body=CreateRefund(
                merchant_refund_no=numbers.new_number("test"), amount=amount, order_no=trade.order
            ),
            merchant=authenticate_bearer(secret=trade.merchant["secret_key"]),
        )
    return replace(trade, refund=msgspec.json.decode(answer)["refund_no"])


def refund_answered(trade: Trade, outcome: Outcome) -> Trade:
    """The channel's answer about the refund goes through its funnel."""
    answer = ChannelAnswer(outcome=outcome, amount=REFUNDED, currency="CNY")
    apply_refund_outcome(refund_no=trade.refund, answer=answer, cause=engine.Cause.INQUIRY)
    return trade


def settled(trade: Trade) -> dict[str, str]:
    """Release the money of a paid trade at once and send its payout; returns the numbers of what that made."""
    merchant_no, today = trade.merchant["merchant_no"], business_date(database_now())
    BusinessDay.objects.get_or_create(day=today, defaults={"is_open": True, "name": "today"})
    with transaction.atomic():
        acquiring.make_fee_contract(
            new=acquiring.NewFeeContract(merchant_no, rate_ppm=0, settlement_days=0)
        )
    # Settlement looks no further than the oldest transaction of the whole server, which may be another test's.
    run = wait_until(
        lambda: (found := acquiring.settle_merchants(merchant_no=merchant_no)).batches and found,
        what="a batch",
    )
    (batch,), (payout,) = run.batches, run.payouts
    with transaction.atomic():
        acquiring.propose_payout(payout_no=payout.payout_no)
        acquiring.send_payout(payout_no=payout.payout_no)
    item = SettlementItem.objects.get(batch_no=batch.batch_no)
    return {"batch": str(batch.batch_no), "payout": payout.payout_no, "item": item.journal_no}


def closed(**changes: object) -> Trade:
    """CLOSED by its merchant before anybody paid."""
    trade = placed(**changes)
    acquiring.close_order(
        order_no=trade.order, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
    )
    return trade


def paid_too_late(**changes: object) -> Trade:
    """The payment failed, and the channel's success came afterwards: late money."""
    failed = answered(paying(**changes), Outcome.FAILED)
    return answered(failed, Outcome.SUCCEEDED)
