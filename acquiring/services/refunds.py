"""Refund orders 退款: counted under the order's lock, written ahead, sent, idempotent by the merchant's number."""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, transaction

from acquiring.contracts import CreateRefund, MerchantIdentity
from acquiring.models import FeeContract, Merchant, TradeOrder
from acquiring.selectors import check_caller, find_own_order, lock_order, render_refund
from acquiring.services.plain_refunds import accept_plain_refund
from acquiring.services.refund_rules import (
    check_new_refund,
    check_refundable,
    check_same_refund,
)
from acquiring.services.settlement_release import is_order_released
from engine import api as engine
from ledger import api as ledger
from ledger.contracts import JournalView
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.failpoints import failpoint

_ONE_NUMBER = "engine_refund_merchant_number"
OPERATORS_REFUND = "Refunded by the platform"
"""What the merchant reads; why an operator did it stands in the audit log, which no merchant sees."""


class _OnlyTried(Exception):
    """Ends a look ahead."""


@transactions.forbid
def create_refund(*, body: CreateRefund, merchant: MerchantIdentity) -> tuple[bool, bytes]:
    """Refund an order, or find the refund this number already belongs to (forbid: may call the channel).

    The merchant's key is checked again. Returns (made now, Refund as JSON). The amount in minor units. Raises
    InvalidRequest, Unauthenticated, NotFound for an order that is not this merchant's, and the conflicts of
    ``check_refundable``, ``check_same_refund`` and ``engine.accept_refund``; each of them means that nothing has
    happened.
    """
    check_new_refund(body)
    plain = accept_plain_refund(body=body, merchant=merchant)
    if plain is not None and plain.status == engine.RefundStatus.SUCCESS:
        return True, plain.rendered
    made, accepted = (True, plain) if plain is not None else _accept_any(body, merchant)
    if made and accepted.status == engine.RefundStatus.PROCESSING:
        failpoint("refund_accepted", accepted.order_no)
        engine.submit_refund(refund_no=accepted.refund_no)
    return made, render_refund(refund_no=accepted.refund_no)


def _accept_any(
    body: CreateRefund, merchant: MerchantIdentity
) -> tuple[bool, engine.RefundProgress]:
    """Accept a refund that is not plain, find the one that has its number, or raise why there is none."""
    check_caller(key_id=merchant.key_id)
    merchant_no = merchant.merchant_no
    order_no = find_own_order(
        merchant_no=merchant_no,
        order_no=body.order_no,
        merchant_order_no=body.merchant_order_no,
    )
    try:
        return _accept(
            body=body,
            merchant_no=merchant_no,
            order_no=order_no,
            refund_no=numbers.new_number(numbers.REFUND),
            cause=engine.Cause.API,
        )
    except IntegrityError as error:
        # Somebody has just used the number for another order.
        found = _find_first(body=body, merchant_no=merchant_no)
        if found is None or _ONE_NUMBER not in str(error):
            raise
        return False, found


def _find_first(*, body: CreateRefund, merchant_no: str) -> engine.RefundProgress | None:
    """Return the refund that has this number. Raises RefundConflict when it is a different one."""
    first = engine.find_refund(merchant_no=merchant_no, merchant_refund_no=body.merchant_refund_no)
    if first is not None:
        order = TradeOrder.objects.get(order_no=first.order_no)
        check_same_refund(asked=body, first=first, order=order)
    return first


@transactions.start
def _accept(
    *,
    body: CreateRefund,
    merchant_no: str,
    order_no: str,
    refund_no: str,
    cause: engine.Cause,
) -> tuple[bool, engine.RefundProgress]:
    """Count the refund on its order, reserve its money and write it ahead, all or nothing."""
    order = lock_order(order_no=order_no)
    if (first := _find_first(body=body, merchant_no=merchant_no)) is not None:
        return False, first
    pulled_back = engine.sum_chargebacks(payment_no=str(order.payment_no), order_no=order.order_no)
    check_refundable(
        order=order,
        merchant=Merchant.objects.get(pk=merchant_no),
        amount=body.amount,
        pulled_back=pulled_back,
        earlier=engine.count_live_refunds(order_no=order.order_no),
        now=database_now(),
    )
    order.refunding_amount += body.amount
    order.save(update_fields=["refunding_amount"])
    return True, engine.accept_refund(
        engine.NewRefund(
            refund_no=refund_no,
            order_no=order.order_no,
            payment_no=str(order.payment_no),
            merchant_no=merchant_no,
            merchant_refund_no=body.merchant_refund_no,
            amount=body.amount,
            currency=order.currency,
            reason=body.reason or "",
            returns_fee=_returns_fee(order),
            source=_find_source(order),
            pulled_back=pulled_back,
        ),
        cause=cause,
    )


@transactions.require
def request_refund(
    *, order_no: str, refund_no: str, merchant_refund_no: str, amount: int, reason: str
) -> str:
    """Refund an order on an operator's word and return the refund's number, which the caller has made (require).

    The amount in minor units. The janitor sends it, so no network is needed here. The same numbers again change
    nothing. Raises what ``create_refund`` raises.
    """
    body = CreateRefund(
        merchant_refund_no=merchant_refund_no, amount=amount, order_no=order_no, reason=reason
    )
    check_new_refund(body)
    order = TradeOrder.objects.filter(order_no=order_no).first()
    if order is None:
        raise NotFound(f"There is no order {order_no}.")
    _made, first = transactions.join(_accept)(
        body=body,
        merchant_no=order.merchant_no,
        order_no=order_no,
        refund_no=refund_no,
        cause=engine.Cause.OPERATOR,
    )
    return first.refund_no


def name_operators_refund(refund_no: str) -> str:
    """Return the merchant's number of a refund that no merchant asked for."""
    return f"operator-{refund_no.partition('_')[2]}"


@transactions.require
def preview_refund(
    *, order_no: str, refund_no: str, merchant_refund_no: str, amount: int, reason: str
) -> JournalView | None:
    """Return the journal that ``request_refund`` would post, and leave everything as it was (require)."""
    with suppress(_OnlyTried), transaction.atomic():
        request_refund(
            order_no=order_no,
            refund_no=refund_no,
            merchant_refund_no=merchant_refund_no,
            amount=amount,
            reason=reason,
        )
        journal = ledger.find_journal(event_type="refund_accepted", event_id=refund_no)
        raise _OnlyTried
    return journal


def _returns_fee(order: TradeOrder) -> bool:
    """Whether the contract under which the order was made gives the fee back."""
    contract = FeeContract.objects.filter(contract_no=order.fee_contract_no).first()
    return contract is not None and contract.returned_on_refund


def _find_source(order: TradeOrder) -> engine.RefundSource:
    """Say where the money of a locked order is now; a release locks the order too, so it stays there."""
    if is_order_released(order_no=order.order_no):
        return engine.RefundSource.MERCHANT_AVAILABLE
    return engine.RefundSource.MERCHANT_PENDING
