"""Checkout's door: for the composition root and the operators' console only; no app stands above."""

from checkout.invariants import INVARIANTS
from checkout.services.agreements import create_agreement, revoke_agreement
from checkout.services.risk_rules import seed_velocity_rules
from checkout.services.route_books import (
    adopt_route_book,
    check_route_book,
    describe_route_book_change,
    get_route_book,
)
from checkout.services.wallets import create_wallet, is_payer

__all__ = [
    "INVARIANTS",
    "adopt_route_book",
    "check_route_book",
    "create_agreement",
    "create_wallet",
    "describe_route_book_change",
    "get_route_book",
    "is_payer",
    "revoke_agreement",
    "seed_velocity_rules",
]
