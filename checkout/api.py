"""Checkout's door: for the composition root and the operators' console only; no app stands above."""

from checkout.invariants import INVARIANTS
from checkout.services.agreements import create_agreement, revoke_agreement
from checkout.services.wallets import create_wallet, is_payer

__all__ = ["INVARIANTS", "create_agreement", "create_wallet", "is_payer", "revoke_agreement"]
