"""Refunds on one operator's word: little of an order, and little in a day. Everything above needs a second person.

Both limits are asked here, in the transaction of the refund: the order's under the order's lock, the day's by one
statement on the operator's row of the day, so that pages pressed at once cannot share what is left.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from acquiring.contracts import SecondOperatorRequired
from acquiring.models import RefundAllowance, TradeOrder
from acquiring.selectors import lock_order
from acquiring.services.refunds import OPERATORS_REFUND, name_operators_refund, request_refund
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import business_date, database_now
from paymentplatform.kernel.money import format_amount

_SPEND = """
INSERT INTO acquiring_refund_allowance AS a (operator, day, currency, spent_amount)
VALUES (%(operator)s, %(day)s, %(currency)s, %(amount)s)
ON CONFLICT (operator, day, currency) DO UPDATE SET spent_amount = a.spent_amount + EXCLUDED.spent_amount
WHERE a.spent_amount + EXCLUDED.spent_amount <= %(limit)s
RETURNING 1
"""


@transactions.require
def refund_alone(*, order_no: str, amount: int, operator: str) -> str:
    """Refund on one operator's word and return the refund's number (require). The amount in minor units.

    At most OPERATOR_REFUND_LIMIT of an order, all its refunds together, and OPERATOR_REFUND_DAY_LIMIT of all orders
    on one business day, each in the order's currency. Raises SecondOperatorRequired above either, and what
    ``request_refund`` raises.
    """
    order = lock_order(order_no=order_no)
    if not is_within_limit(order, amount=amount):
        raise _refuse("of one order", limit_of_order(order.currency), order.currency)
    number = numbers.new_number(numbers.REFUND)
    refund_no = request_refund(
        order_no=order_no,
        refund_no=number,
        merchant_refund_no=name_operators_refund(number),
        amount=amount,
        reason=OPERATORS_REFUND,
    )
    _spend_allowance(operator=operator, currency=order.currency, amount=amount)
    return refund_no


def is_within_limit(order: TradeOrder, *, amount: int) -> bool:
    """Tell whether one operator alone may refund this much more of the order (minor units)."""
    gone = order.refunded_amount + order.refunding_amount
    return gone + amount <= limit_of_order(order.currency)


def limit_of_order(currency: str) -> int:
    """Return what one operator alone may refund of one order, in minor units."""
    return int(settings.OPERATOR_REFUND_LIMIT.get(currency, 0))


def limit_of_day(currency: str) -> int:
    """Return what one operator alone may refund on one business day, in minor units."""
    return int(settings.OPERATOR_REFUND_DAY_LIMIT.get(currency, 0))


def count_alone(order: TradeOrder, *, operator: str) -> int:
    """Return how much of the order this operator alone may refund now, in minor units; what the order has left aside.

    By the limit of an order, and by what he refunded alone today.
    """
    gone = order.refunded_amount + order.refunding_amount
    return max(
        0,
        min(
            limit_of_order(order.currency) - gone,
            limit_of_day(order.currency) - _read_spent(operator, order.currency),
        ),
    )


def _read_spent(operator: str, currency: str) -> int:
    today = business_date(database_now())
    spent = RefundAllowance.objects.filter(operator=operator, day=today, currency=currency)
    return spent.values_list("spent_amount", flat=True).first() or 0


def _spend_allowance(*, operator: str, currency: str, amount: int) -> None:
    limit = limit_of_day(currency)
    if amount <= limit:
        with connection.cursor() as cursor:
            cursor.execute(
                _SPEND,
                {
                    "operator": operator,
                    "day": business_date(database_now()),
                    "currency": currency,
                    "amount": amount,
                    "limit": limit,
                },
            )
            if cursor.fetchone() is not None:
                return
    raise _refuse("on one day", limit, currency)


def _refuse(of_what: str, limit: int, currency: str) -> SecondOperatorRequired:
    most = f"{format_amount(limit, currency)} {currency}"
    return SecondOperatorRequired(
        f"One operator alone refunds at most {most} {of_what}."
        " Propose this refund instead: another operator approves it."
    )
