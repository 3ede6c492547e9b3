"""Tables of the payment engine."""

from engine.models.attempt import ChannelAttempt, ChannelCallback
from engine.models.card import SavedCard
from engine.models.case import Case, LateMoney
from engine.models.payment import PaymentDetail, PaymentOrder, Transition
from engine.models.refund import Refund

__all__ = [
    "Case",
    "ChannelAttempt",
    "ChannelCallback",
    "LateMoney",
    "PaymentDetail",
    "PaymentOrder",
    "Refund",
    "SavedCard",
    "Transition",
]
