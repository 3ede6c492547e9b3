"""Tables of acquiring."""

from acquiring.models.credential import Credential, UsedNonce
from acquiring.models.endpoint import WebhookEndpoint
from acquiring.models.idempotency import IdempotencyKey
from acquiring.models.merchant import FeeContract, Merchant
from acquiring.models.notification import Delivery, DeliveryTry, MerchantEvent
from acquiring.models.order import TradeOrder, Transition
from acquiring.models.sealed import SealedBody

__all__ = [
    "Credential",
    "Delivery",
    "DeliveryTry",
    "FeeContract",
    "IdempotencyKey",
    "Merchant",
    "MerchantEvent",
    "SealedBody",
    "TradeOrder",
    "Transition",
    "UsedNonce",
    "WebhookEndpoint",
]
