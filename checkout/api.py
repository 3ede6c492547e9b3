"""Checkout's door: for the composition root and the operators' console only; no app stands above."""

from checkout.services.wallets import (
    create_agreement,
    create_wallet,
    is_payer,
    revoke_agreement,
)

__all__ = ["create_agreement", "create_wallet", "is_payer", "revoke_agreement"]
