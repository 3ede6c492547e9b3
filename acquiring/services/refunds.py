"""Refund orders 退款: counted under the order's lock, written ahead, sent, idempotent by the merchant's number."""

from __future__ import annotations

from django.db import IntegrityError

from acquiring.contracts import CreateRefund, MerchantIdentity
from acquiring.models import FeeContract, Merchant, TradeOrder
from acquiring.selectors import find_own_order, get_refund_json, lock_order
from acquiring.services.refund_rules import (
    check_new_refund,
    check_refundable,
    check_same_refund,
)
from acquiring.services.settlement_release import is_order_released
from engine import api as engine
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.failpoints import failpoint

_ONE_NUMBER = "engine_refund_merchant_number"


@transactions.forbid
def create_refund(*, body: CreateRefund, merchant: MerchantIdentity) -> tuple[bool, bytes]:
    """Refund an order, or find the refund this number already belongs to (forbid: may call the channel).

    Returns (made now, Refund as JSON). The amount in minor units. Raises InvalidRequest, NotFound for an order that
    is not this merchant's, and the conflicts of ``check_refundable``, ``check_same_refund`` and
    ``engine.accept_refund``; each of them means that nothing has happened.
    """
    check_new_refund(body)
    merchant_no = merchant.merchant_no
    order_no = find_own_order(
        merchant_no=merchant_no,
        order_no=body.order_no,
        merchant_order_no=body.merchant_order_no,
    )
    first = _find_first(body=body, merchant_no=merchant_no)
    made = first is None
    if first is None:
        try:
            made, first = _accept(body=body, merchant_no=merchant_no, order_no=order_no)
        except IntegrityError as error:
            first = _find_first(body=body, merchant_no=merchant_no)
            if first is None or _ONE_NUMBER not in str(error):
                raise
    if made and first.status == engine.RefundStatus.PROCESSING:
        failpoint("refund_accepted", first.order_no)
        engine.submit_refund(refund_no=first.refund_no)
    return made, get_refund_json(merchant_no=merchant_no, refund_no=first.refund_no)


def _find_first(*, body: CreateRefund, merchant_no: str) -> engine.RefundProgress | None:
    """Return the refund that has this number. Raises RefundConflict when it is a different one."""
    first = engine.find_refund(merchant_no=merchant_no, merchant_refund_no=body.merchant_refund_no)
    if first is not None:
        order = TradeOrder.objects.get(order_no=first.order_no)
        check_same_refund(asked=body, first=first, order=order)
    return first


@transactions.start
def _accept(
    *, body: CreateRefund, merchant_no: str, order_no: str
) -> tuple[bool, engine.RefundProgress]:
    """Count the refund on its order, reserve its money and write it ahead, all or nothing."""
    order = lock_order(order_no=order_no)
    if (first := _find_first(body=body, merchant_no=merchant_no)) is not None:
        return False, first
    check_refundable(
        order=order,
        merchant=Merchant.objects.get(pk=merchant_no),
        amount=body.amount,
        earlier=engine.count_live_refunds(order_no=order.order_no),
        now=database_now(),
    )
    order.refunding_amount += body.amount
    order.save(update_fields=["refunding_amount"])
    return True, engine.accept_refund(
        engine.NewRefund(
            refund_no=numbers.new_number(numbers.REFUND),
            order_no=order.order_no,
            payment_no=str(order.payment_no),
            merchant_no=merchant_no,
            merchant_refund_no=body.merchant_refund_no,
            amount=body.amount,
            currency=order.currency,
            reason=body.reason or "",
            returns_fee=_returns_fee(order),
            source=_find_source(order),
        ),
        cause=engine.Cause.API,
    )


def _returns_fee(order: TradeOrder) -> bool:
    """Whether the contract under which the order was made gives the fee back."""
    contract = FeeContract.objects.filter(contract_no=order.fee_contract_no).first()
    return contract is not None and contract.returned_on_refund


def _find_source(order: TradeOrder) -> engine.RefundSource:
    """Say where the money of a locked order is now; a release locks the order too, so it stays there."""
    if is_order_released(order_no=order.order_no):
        return engine.RefundSource.MERCHANT_AVAILABLE
    return engine.RefundSource.MERCHANT_PENDING
