"""The engine's door: what other floors may call."""

from engine.channels.registry import list_channels
from engine.contracts import Cause, NewPayment, NoChannel, PaymentProgress, PaymentStatus
from engine.dossier import find_order_no, get_trade_file
from engine.invariants import INVARIANTS
from engine.selectors import get_payment_progress, has_late_money
from engine.services.acceptance import create_payment
from engine.services.closing import close_payment
from engine.services.inquiries import bring_inquiry_forward
from engine.services.submission import submit_payment

__all__ = [
    "INVARIANTS",
    "Cause",
    "NewPayment",
    "NoChannel",
    "PaymentProgress",
    "PaymentStatus",
    "bring_inquiry_forward",
    "close_payment",
    "create_payment",
    "find_order_no",
    "get_payment_progress",
    "get_trade_file",
    "has_late_money",
    "list_channels",
    "submit_payment",
]
