"""What the numbers of a statement belong to."""

from __future__ import annotations

from collections.abc import Sequence

from engine.contracts import Reference
from engine.models import (
    ChannelAttempt,
    Chargeback,
    Discrepancy,
    LateMoney,
    PaymentOrder,
    Refund,
)
from paymentplatform.kernel import numbers


def list_references(*, object_nos: Sequence[str]) -> dict[str, Reference]:
    """Return what payments, refunds, late money, chargebacks and differences belong to, by number; others are left out.

    At most six queries, however many there are.
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
    pulled = _pick(object_nos, numbers.CHARGEBACK)
    for number, order_no, payment_no in Chargeback.objects.filter(pk__in=pulled).values_list(
        "chargeback_no", "order_no", "payment_no"
    ):
        found[number] = Reference(order_no=order_no, payment_no=payment_no)
    return found | _list_charges_of(_pick(object_nos, numbers.DISCREPANCY))


def _list_charges_of(discrepancy_nos: Sequence[str]) -> dict[str, Reference]:
    """Return what the charges belong to that differences are about."""
    about = dict(
        Discrepancy.objects.filter(pk__in=discrepancy_nos).values_list(
            "discrepancy_no", "object_no"
        )
    )
    charges = {
        number: Reference(order_no=order_no, payment_no=payment_no)
        for number, order_no, payment_no in ChannelAttempt.objects.filter(
            pk__in=set(about.values())
        ).values_list("attempt_no", "order_no", "payment_no")
    }
    return {
        number: charges[object_no] for number, object_no in about.items() if object_no in charges
    }


def _pick(object_nos: Sequence[str], prefix: str) -> list[str]:
    return [number for number in object_nos if numbers.is_number(number, prefix)]
