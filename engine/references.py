"""What the numbers of a statement belong to."""

from __future__ import annotations

from collections.abc import Sequence

from engine.contracts import Reference
from engine.models import LateMoney, PaymentOrder, Refund
from paymentplatform.kernel import numbers


def list_references(*, object_nos: Sequence[str]) -> dict[str, Reference]:
    """Return what payments, refunds and late money belong to, by number; others are left out.

    At most three queries, however many there are.
    """
    found: dict[str, Reference] = {}
    payments = _pick(object_nos, numbers.PAYMENT)
    for number, order_no, method in PaymentOrder.objects.filter(pk__in=payments).values_list(
        "payment_no", "order_no", "method"
    ):
        found[number] = Reference(order_no=order_no, payment_no=number, method=method)
    refunds = _pick(object_nos, numbers.REFUND)
    for number, order_no, payment_no, own_no in Refund.objects.filter(pk__in=refunds).values_list(
        "refund_no", "order_no", "payment_no", "merchant_refund_no"
    ):
        found[number] = Reference(
            order_no=order_no,
            payment_no=payment_no,
            refund_no=number,
            merchant_refund_no=own_no or "",
        )
    late = _pick(object_nos, numbers.LATE_MONEY)
    for number, order_no, payment_no in LateMoney.objects.filter(pk__in=late).values_list(
        "late_money_no", "order_no", "payment_no"
    ):
        found[number] = Reference(order_no=order_no, payment_no=payment_no, late_money_no=number)
    return found


def _pick(object_nos: Sequence[str], prefix: str) -> list[str]:
    return [number for number in object_nos if numbers.is_number(number, prefix)]
