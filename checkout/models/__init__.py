"""Tables of checkout: payers' wallets, agreements asked for and in force, what payments use of
them; the catalogue of methods, risk, and routing."""

from checkout.models.agreement import AgreementUse, PayerAgreement
from checkout.models.catalogue import (
    CatalogueStamp,
    ConsultDecision,
    MerchantMethod,
    PaymentMethod,
)
from checkout.models.consent import AgreementRequest, Transition
from checkout.models.risk import RiskDecision, RiskListEntry, RiskReview, RiskRule, RiskVersion
from checkout.models.routing import BalanceUse, RouteBookVersion, RouteDecision
from checkout.models.wallet import PayerWallet, WalletSession

__all__ = [
    "AgreementRequest",
    "AgreementUse",
    "BalanceUse",
    "CatalogueStamp",
    "ConsultDecision",
    "MerchantMethod",
    "PayerAgreement",
    "PayerWallet",
    "PaymentMethod",
    "RiskDecision",
    "RiskListEntry",
    "RiskReview",
    "RiskRule",
    "RiskVersion",
    "RouteBookVersion",
    "RouteDecision",
    "Transition",
    "WalletSession",
]
