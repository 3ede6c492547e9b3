"""Tables of the payment engine."""

from engine.models.attempt import ChannelAttempt, ChannelCallback
from engine.models.case import Case, LateMoney
from engine.models.payment import PaymentDetail, PaymentOrder, Transition

__all__ = [
    "Case",
    "ChannelAttempt",
    "ChannelCallback",
    "LateMoney",
    "PaymentDetail",
    "PaymentOrder",
    "Transition",
]
