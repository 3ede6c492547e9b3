"""Tables of checkout: payers' wallets, agreements asked for and in force, what payments use of them, and routing."""

from checkout.models.agreement import AgreementUse, PayerAgreement
from checkout.models.consent import AgreementRequest, Transition
from checkout.models.routing import RouteBookVersion, RouteDecision
from checkout.models.wallet import PayerWallet

__all__ = [
    "AgreementRequest",
    "AgreementUse",
    "PayerAgreement",
    "PayerWallet",
    "RouteBookVersion",
    "RouteDecision",
    "Transition",
]
