"""Late money 迟到资金 as its merchant sees it: asked, decided, told. The engine keeps it and moves the money."""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.db import connection

from acquiring.fee_terms import calculate_contract_fee
from acquiring.late_money_contracts import LateMoneyView
from acquiring.models import FeeContract, TradeOrder
from acquiring.selectors import find_filtered_order, find_merchant_order_numbers
from acquiring.services.order_moves import DELIVERY_TASK
from engine import api as engine
from engine.contracts import LateMoneyDecision, LateMoneyState, LateMoneyStatus
from paymentplatform.kernel import jobs, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.times import format_time


def decide_late_money(
    *, late_money_no: str, merchant_no: str, decision: LateMoneyDecision
) -> LateMoneyView:
    """Answer the question of ``late_money.pending``; the same answer again changes nothing (starts a transaction).

    Raises NotFound, LateMoneyNotAsked and LateMoneyNotOpen.
    """
    decided = engine.decide_late_money(
        late_money_no=late_money_no,
        merchant_no=merchant_no,
        decision=decision,
        cause=engine.Cause.API,
    )
    return _render([decided])[0]


def get_late_money(*, late_money_no: str, merchant_no: str) -> LateMoneyView:
    """Return one late receipt. Raises NotFound, also for another merchant's."""
    late = engine.get_late_money_state(late_money_no=late_money_no)
    if late.merchant_no != merchant_no:
        raise NotFound
    return _render([late])[0]


def list_late_money(
    *,
    merchant_no: str,
    limit: int,
    before: str | None = None,
    order_no: str | None = None,
    merchant_order_no: str | None = None,
    status: LateMoneyStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> tuple[list[LateMoneyView], str | None]:
    """Return up to ``limit`` late receipts, newest first, and the number to go on before (None at the end)."""
    try:
        order_no = find_filtered_order(
            merchant_no=merchant_no, order_no=order_no, merchant_order_no=merchant_order_no
        )
    except NotFound:
        return [], None
    found = engine.list_late_money(
        merchant_no=merchant_no,
        limit=limit + 1,
        before=before,
        order_no=order_no,
        status=status,
        created_from=created_from,
        created_to=created_to,
    )
    page = _render(found[:limit])
    return page, page[-1].late_money_no if len(found) > limit else None


@transactions.require
def announce_late_money(*, event_type: str, late_money: LateMoneyState) -> None:
    """Keep the merchant's event with the late money as it is now, due at once to the order's notify_url (require)."""
    event_id = numbers.new_number(numbers.EVENT)
    payload = msgspec.json.encode(
        {
            "id": event_id,
            "type": event_type,
            "timestamp": format_time(database_now()),
            "data": _render([late_money])[0],
        }
    )
    order = TradeOrder.objects.only("notify_url").get(order_no=late_money.order_no)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_record_event(%s, %s, %s, %s, %s, %s, %s)",
            [
                event_id,
                event_type,
                late_money.merchant_no,
                late_money.late_money_no,
                payload.decode(),
                order.notify_url,
                numbers.new_number(numbers.DELIVERY),
            ],
        )
    jobs.ring(DELIVERY_TASK)


def calculate_late_money_fee(*, order_no: str, amount: int, currency: str, method: str) -> int:
    """Return the fee of the order's contract for late money that is honoured: that of the payment it was meant for."""
    order = TradeOrder.objects.only("fee_contract_no").get(pk=order_no)
    contract = FeeContract.objects.filter(pk=order.fee_contract_no).first()
    if contract is None:
        return 0
    return calculate_contract_fee(
        amount=amount,
        currency=currency,  # of the money: a channel may have taken another than was asked
        method=method,
        rate_ppm=contract.rate_ppm,
        terms=msgspec.json.encode(contract.terms) if contract.terms else None,
    )


def _render(found: list[LateMoneyState]) -> list[LateMoneyView]:
    own_numbers = find_merchant_order_numbers(order_nos=[late.order_no for late in found])
    return [_render_one(late, own_numbers[late.order_no]) for late in found]


def _render_one(late: LateMoneyState, merchant_order_no: str) -> LateMoneyView:
    return LateMoneyView(
        late_money_no=late.late_money_no,
        order_no=late.order_no,
        merchant_order_no=merchant_order_no,
        payment_no=late.payment_no,
        status=LateMoneyStatus(late.status),
        policy=late.policy,
        amount=late.amount,
        currency=late.currency,
        channel=late.channel_code,
        reason=late.reason,
        respond_by=format_time(late.respond_by) if late.respond_by else None,
        created_at=format_time(late.created_at),
        resolved_at=format_time(late.resolved_at) if late.resolved_at else None,
    )
