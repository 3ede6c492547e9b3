"""Tables of checkout: payers' wallets, agreements asked for and in force, and what payments use of them."""

from checkout.models.agreement import AgreementUse, PayerAgreement
from checkout.models.consent import AgreementRequest, Transition
from checkout.models.wallet import PayerWallet

__all__ = ["AgreementRequest", "AgreementUse", "PayerAgreement", "PayerWallet", "Transition"]
