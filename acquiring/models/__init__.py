"""Tables of acquiring."""

from acquiring.models.cashier_look import CashierLook
from acquiring.models.credential import Credential, UsedNonce
from acquiring.models.endpoint import WebhookEndpoint
from acquiring.models.idempotency import IdempotencyKey
from acquiring.models.merchant import FeeContract, Merchant
from acquiring.models.notification import (
    Delivery,
    DeliveryTry,
    MerchantEvent,
    match_objects,
)
from acquiring.models.order import TradeOrder, Transition
from acquiring.models.payout import Payout
from acquiring.models.payout_return import PayoutReturn
from acquiring.models.refund_allowance import RefundAllowance
from acquiring.models.sealed import SealedBody
from acquiring.models.settlement import (
    BusinessDay,
    SettlementAccount,
    SettlementBatch,
    SettlementHold,
    SettlementItem,
)

__all__ = [
    "BusinessDay",
    "CashierLook",
    "Credential",
    "Delivery",
    "DeliveryTry",
    "FeeContract",
    "IdempotencyKey",
    "Merchant",
    "MerchantEvent",
    "Payout",
    "PayoutReturn",
    "RefundAllowance",
    "SealedBody",
    "SettlementAccount",
    "SettlementBatch",
    "SettlementHold",
    "SettlementItem",
    "TradeOrder",
    "Transition",
    "UsedNonce",
    "WebhookEndpoint",
    "match_objects",
]
