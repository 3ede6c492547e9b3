"""What an operator's refund or close asks for and foretells."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as say

from acquiring.models import TradeOrder
from acquiring.services.lone_refunds import count_alone, limit_of_day, limit_of_order
from acquiring.services.refunds import OPERATORS_REFUND, name_operators_refund
from engine import api as engine
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReasonForm
from paymentplatform.kernel.admin_forms import MinorUnitsField
from paymentplatform.kernel.money import format_amount


class RefundForm(ReasonForm):
    """Asks how much."""

    amount = MinorUnitsField()
    field_order = ["amount", "reason"]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["amount"].show_currency(self.initial.get("currency", ""))  # type: ignore[attr-defined]

    @classmethod
    def read_initial(cls, obj: TradeOrder) -> dict[str, Any]:
        """Begin with what is left."""
        return {"amount": count_left(obj), "currency": obj.currency}


class LoneRefundForm(RefundForm):
    """Asks how much goes back at once, on one operator's word."""

    @classmethod
    def read_initial(cls, obj: TradeOrder) -> dict[str, Any]:
        """Begin with what he alone may refund."""
        return {"amount": count_alone_now(obj), "currency": obj.currency}


def count_left(order: TradeOrder) -> int:
    """Return what was paid and has not gone back yet, by refunds or chargebacks, in minor units."""
    pulled_back = engine.sum_chargebacks(payment_no=str(order.payment_no), order_no=order.order_no)
    return max(0, order.amount - order.refunded_amount - order.refunding_amount - pulled_back)


def is_refundable(order: TradeOrder) -> bool:
    """Tell whether anything is left to refund."""
    return order.status == "SUCCESS" and count_left(order) > 0


def count_alone_now(order: TradeOrder) -> int:
    """Return how much whoever looks at the order may refund at once, in minor units."""
    return min(count_left(order), count_alone(order, operator=getattr(order, "viewer", "")))


def may_refund_alone(order: TradeOrder) -> bool:
    """Tell whether one operator may still refund anything of this order."""
    return is_refundable(order) and count_alone_now(order) > 0


def foretell_alone(order: TradeOrder) -> str:
    """Say how much one operator may refund, and what is to be done for more."""
    return say(
        "%(left)s is left to refund. You alone: at most %(most)s now (one operator refunds at most %(order)s of one "
        "order and %(day)s on one day). For more, go back and choose Propose a refund: another operator approves it."
    ) % {
        "left": _write(count_left(order), order.currency),
        "most": _write(count_alone_now(order), order.currency),
        "order": _write(limit_of_order(order.currency), order.currency),
        "day": _write(limit_of_day(order.currency), order.currency),
    }


def foretell_proposal(order: TradeOrder) -> str:
    """Say what is left, and that nothing moves yet."""
    return say(
        "%(left)s is left to refund. Nothing moves until another operator has approved it."
    ) % {"left": _write(count_left(order), order.currency)}


def _write(amount: int, currency: str) -> str:
    return f"{format_amount(amount, currency)} {currency}"


def foretell_close(order: TradeOrder) -> str:
    """Say what closing means just now."""
    if order.status == "INIT":
        return say("Nobody can pay this order afterwards.")
    return say(
        "A payment is under way: its channel is asked first. If it was paid, the order stays paid."
    )


def build_refund_payload(*, order_no: str, amount: int) -> dict[str, Any]:
    """Return the payload of a proposal of kind ``refund``, with the number that the refund will have."""
    number = numbers.new_number(numbers.REFUND)
    return {
        "order_no": order_no,
        "refund_no": number,
        "merchant_refund_no": name_operators_refund(number),
        "amount": amount,
        "reason": OPERATORS_REFUND,
    }
