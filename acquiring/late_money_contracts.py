"""Late money 迟到资金 as its merchant sees it. Pure: imports no framework."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from engine.contracts import LateMoneyReason, LateMoneyStatus
from paymentplatform.kernel import fields
from paymentplatform.kernel.fields import shown

POLICIES: Final = ("REFUND", "ASK", "HOLD")
"""What can become of late money without its merchant's word; the last one leaves it to people."""


class LateMoneyView(msgspec.Struct, frozen=True):
    """The LateMoney object of the merchant API: what a channel took for a trade that could not use it any more."""

    late_money_no: fields.LateMoneyNo
    order_no: fields.OrderNo
    merchant_order_no: fields.MerchantOrderNo
    payment_no: fields.PaymentNo
    status: Annotated[LateMoneyStatus, shown("`REFUNDED` and `HONOURED` are the end of it.")]
    policy: Annotated[
        str,
        fields.choice_of(
            "What becomes of it: back at once, you are asked, or people look.", POLICIES
        ),
    ]
    amount: Annotated[
        int, fields.amount_of("What the channel took; it may differ from the order.", least=1)
    ]
    currency: fields.Currency
    channel: Annotated[str, shown("The channel that took it.")]
    reason: Annotated[str, fields.choice_of("Why it came too late.", LateMoneyReason)]
    respond_by: (
        Annotated[str, shown("Until when you are asked (policy `ASK`).", format="date-time")] | None
    )
    created_at: Annotated[str, shown("When we learned of it.", format="date-time")]
    resolved_at: Annotated[str, shown("When it ended.", format="date-time")] | None
