"""Tables of the payment engine."""

from engine.models.attempt import ChannelAttempt, ChannelCall, ChannelCallback
from engine.models.card import SavedCard
from engine.models.case import Case, LateMoney
from engine.models.channel import BreakerMove, ChannelSwitch, KnownChannel, MaintenanceWindow
from engine.models.discrepancy import Discrepancy
from engine.models.payment import PaymentDetail, PaymentOrder, Transition
from engine.models.refund import Refund
from engine.models.statement import (
    ChannelSettlement,
    Chargeback,
    CutoffEntry,
    Statement,
    StatementLine,
)

__all__ = [
    "BreakerMove",
    "Case",
    "ChannelAttempt",
    "ChannelCall",
    "ChannelCallback",
    "ChannelSettlement",
    "ChannelSwitch",
    "Chargeback",
    "CutoffEntry",
    "Discrepancy",
    "KnownChannel",
    "LateMoney",
    "MaintenanceWindow",
    "PaymentDetail",
    "PaymentOrder",
    "Refund",
    "SavedCard",
    "Statement",
    "StatementLine",
    "Transition",
]
