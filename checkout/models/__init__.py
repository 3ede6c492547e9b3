"""Tables of checkout: payers' wallets, agreements asked for and in force, what payments use of
them; the catalogue of methods, and routing."""

from checkout.models.agreement import AgreementUse, PayerAgreement
from checkout.models.catalogue import (
    CatalogueStamp,
    ConsultDecision,
    MerchantMethod,
    PaymentMethod,
)
from checkout.models.consent import AgreementRequest, Transition
from checkout.models.routing import RouteBookVersion, RouteDecision
from checkout.models.wallet import PayerWallet

__all__ = [
    "AgreementRequest",
    "AgreementUse",
    "CatalogueStamp",
    "ConsultDecision",
    "MerchantMethod",
    "PayerAgreement",
    "PayerWallet",
    "PaymentMethod",
    "RouteBookVersion",
    "RouteDecision",
    "Transition",
]
