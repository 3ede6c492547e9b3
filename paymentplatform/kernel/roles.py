"""The roles 角色 of operators, and who has which: pages and acts name them, the console seeds them as groups. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is here for. A person may have several; each is a group of the same name."""

    VIEWER = "viewer"
    """Looks, and changes nothing."""
    SUPPORT = "support"
    """Answers payers and merchants: asks a channel again, sends a notice again, proposes a refund."""
    OPERATOR = "operator"
    """Repairs what is stuck, looks after merchants and channels, approves refunds and cases."""
    ACCOUNTANT = "accountant"
    """Keeps the books: reconciles, settles, proposes and approves adjustments and payouts."""
    RISK = "risk"
    """Keeps harm away: rules, reviews, saved cards, agreements."""
    ADMIN = "admin"
    """Looks after operators, keys and settings; moves no money."""


EVERYBODY: Final = tuple(Role)
ONLY_ADMINS: Final = (Role.ADMIN,)
