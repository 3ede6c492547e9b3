"""Tables of checkout: payers' wallets and the agreements they gave to merchants."""

from checkout.models.agreement import PayerAgreement
from checkout.models.wallet import PayerWallet

__all__ = ["PayerAgreement", "PayerWallet"]
