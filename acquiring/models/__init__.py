"""Tables of acquiring."""

from acquiring.models.merchant import Credential, FeeContract, Merchant
from acquiring.models.notification import Delivery, DeliveryTry, MerchantEvent
from acquiring.models.order import TradeOrder, Transition

__all__ = [
    "Credential",
    "Delivery",
    "DeliveryTry",
    "FeeContract",
    "Merchant",
    "MerchantEvent",
    "TradeOrder",
    "Transition",
]
