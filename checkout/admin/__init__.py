"""Operators' pages of checkout: payers, and what they let merchants take."""

from checkout.admin.agreements import AgreementRequestAdmin, PayerAgreementAdmin
from checkout.admin.payers import PayerWalletAdmin

__all__ = ["AgreementRequestAdmin", "PayerAgreementAdmin", "PayerWalletAdmin"]
