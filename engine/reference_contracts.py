"""What a number belongs to, for statements. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """What a payment, a refund or late money belongs to, by its own number."""

    order_no: str
    payment_no: str
    method: str = ""
    refund_no: str = ""
    merchant_refund_no: str = ""
    late_money_no: str = ""
