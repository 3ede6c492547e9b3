"""Accept refunds 退款: the money is reserved under the locks and the row committed before a byte leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum

from engine.channels.base import Capability
from engine.channels.registry import find_channel
from engine.contracts import (
    Cause,
    InsufficientMerchantBalance,
    NewRefund,
    RefundNotSupported,
    RefundProgress,
)
from engine.models import ChannelAttempt, LateMoney, PaymentDetail, PaymentOrder, Refund
from engine.refund_split import (
    RefundableAsset,
    RefundPart,
    share_returned_fee,
    split_refund,
)
from engine.selectors import describe_refund, lock_details, lock_payment
from engine.services.moves import apply_move
from engine.services.refund_outcomes import REFUND_TASK, build_refund_legs, end_refund
from ledger import api as ledger
from ledger.contracts import AccountKind, InsufficientBalance
from paymentplatform.kernel import jobs, transactions
from paymentplatform.kernel.clock import database_now


@transactions.require
def accept_refund(new: NewRefund, *, cause: Cause) -> RefundProgress:
    """Reserve a refund's money and write it ahead as PROCESSING (require).

    The owner must be locked, paid by ``payment_no`` and must have counted the refund as on its way. The external
    asset gives first, then the balance; a refund to the balance alone is SUCCESS before this returns. Raises
    InsufficientMerchantBalance and RefundNotSupported; then the transaction must roll back.
    """
    payment = lock_payment(payment_no=new.payment_no)
    details = lock_details(payment_no=new.payment_no)
    parts = split_refund(amount=new.amount, assets=_list_assets(details, new))
    external = next((part for part in parts if part.channel_code is not None), None)
    charge = _find_charge(external) if external is not None else None
    refund = Refund.objects.create(
        refund_no=new.refund_no,
        purpose=Refund.Purpose.ORDER,
        merchant_no=new.merchant_no,
        merchant_refund_no=new.merchant_refund_no,
        order_no=new.order_no,
        payment_no=new.payment_no,
        amount=new.amount,
        external_amount=external.amount if external is not None else 0,
        balance_amount=sum(part.amount for part in parts if part.channel_code is None),
        currency=new.currency,
        reason=new.reason,
        channel_code=charge.channel_code if charge is not None else None,
        attempt_no=charge.attempt_no if charge is not None else None,
        channel_trade_no=charge.channel_trade_no if charge is not None else None,
        payer_no=payment.payer_no,
        source=new.source,
        returned_fee=_share_fee(payment, new) if new.returns_fee else 0,
        next_try_at=_first_try_at() if charge is not None else None,
    )
    apply_move(refund, "start_processing", cause=cause)
    for part in parts:
        detail = next(one for one in details if one.detail_no == part.detail_no)
        detail.refunding_amount += part.amount
        detail.save(update_fields=["refunding_amount"])
    _reserve(refund)
    if charge is None:
        end_refund(refund=refund, details=details, succeeded=True, cause=cause)
    return describe_refund(refund)


@transactions.require
def open_late_money_refund(
    *,
    late_money: LateMoney,
    charge: ChannelAttempt,
    cause: Cause,
    refund_no: str,
) -> Refund:
    """Send late money back to its payer: out of suspense, through the channel that took it (require).

    All that is left of it. The owner and ``late_money`` are locked by the caller, who also moves it to REFUNDING. One
    refund per late money lives at a time (unique index). Its end comes to ``late_money.end_late_money_refund``. Raises
    RefundNotSupported when the channel cannot refund. ``refund_no`` is a number of its own.
    """
    _refuse_unable(late_money.channel_code)
    refund = Refund.objects.create(
        refund_no=refund_no,
        purpose=Refund.Purpose.LATE_MONEY,
        merchant_no=late_money.merchant_no,
        late_money_no=late_money.late_money_no,
        order_no=late_money.order_no,
        payment_no=late_money.payment_no,
        amount=late_money.left,
        external_amount=late_money.left,
        currency=late_money.currency,
        reason="late money",
        channel_code=late_money.channel_code,
        attempt_no=charge.attempt_no,
        channel_trade_no=late_money.channel_trade_no,
        source=AccountKind.SUSPENSE,
        next_try_at=database_now(),
    )
    apply_move(refund, "start_processing", cause=cause)
    ledger.post_journal(
        draft=ledger.build_late_money_refund_sent(
            refund_no=refund.refund_no,
            channel_code=late_money.channel_code,
            currency=late_money.currency,
            amount=late_money.left,
        )
    )
    jobs.ring(REFUND_TASK)
    return refund


def _first_try_at() -> datetime:
    """Leave the first call to the thread that accepted it; a worker comes when that one has died."""
    return database_now() + timedelta(seconds=settings.INQUIRY_SCHEDULE_S[0])


def _list_assets(details: list[PaymentDetail], new: NewRefund) -> list[RefundableAsset]:
    """Say what each asset can still give back; what a channel has pulled back is with its payer already."""
    return [
        RefundableAsset(
            detail_no=detail.detail_no,
            channel_code=detail.channel_code,
            left=detail.amount
            - detail.refunded_amount
            - detail.refunding_amount
            - (new.pulled_back if detail.channel_code is not None else 0),
        )
        for detail in details
        if detail.status == "DONE"
    ]


def _find_charge(part: RefundPart) -> ChannelAttempt:
    """Return the charge that a detail's money came from, of a channel that can give it back."""
    charge = ChannelAttempt.objects.get(
        detail_id=part.detail_no, channel_code=part.channel_code, status="SUCCEEDED"
    )
    _refuse_unable(charge.channel_code)
    return charge


def _refuse_unable(channel_code: str) -> None:
    channel = find_channel(channel_code)
    if channel is None or Capability.REFUND not in channel.capabilities:
        raise RefundNotSupported


def _share_fee(payment: PaymentOrder, new: NewRefund) -> int:
    earlier = (
        Refund.objects.filter(
            order_no=payment.order_no, payment_no=payment.payment_no, purpose=Refund.Purpose.ORDER
        )
        .exclude(status="FAILED")
        .aggregate(amount=Sum("amount", default=0), fee=Sum("returned_fee", default=0))
    )
    return share_returned_fee(
        fee=payment.fee_amount,
        paid=payment.amount,
        fee_left=payment.fee_amount - earlier["fee"],
        paid_left=payment.amount - earlier["amount"],
        amount=new.amount,
    )


def _reserve(refund: Refund) -> None:
    """Take the money out of the merchant's account. Raises InsufficientMerchantBalance."""
    try:
        ledger.post_journal(
            draft=ledger.build_refund_accepted(
                refund_no=refund.refund_no,
                merchant_no=refund.merchant_no,
                source=AccountKind(refund.source),
                legs=build_refund_legs(refund),
                currency=refund.currency,
                returned_fee=refund.returned_fee,
            )
        )
    except InsufficientBalance as error:
        raise InsufficientMerchantBalance from error
