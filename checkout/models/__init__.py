"""Tables of checkout: payers' wallets, the agreements they gave to merchants, and what payments use of them."""

from checkout.models.agreement import AgreementUse, PayerAgreement
from checkout.models.wallet import PayerWallet

__all__ = ["AgreementUse", "PayerAgreement", "PayerWallet"]
