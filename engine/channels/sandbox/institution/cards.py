"""Cards saved for a payer: a token stands for the card, and only its owner can pay with it."""

from __future__ import annotations

import secrets
import sqlite3
import time
from typing import Final

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.book import insert, read_one

BRAND: Final = "VISA"
"""Every test card begins with 4."""
_PREFIX: Final = "tok_saved_"


def is_saved_token(card_token: str) -> bool:
    """Tell a saved card from the test tokens ``tok_<scenario>``."""
    return card_token.startswith(_PREFIX)


class CardVault:
    """The saved cards of one acquirer."""

    def __init__(self, *, channel: str, secret: str) -> None:
        self._channel = channel
        self._key = codec.derive_key(secret=secret, channel=channel, purpose=codec.Purpose.VAULT)

    def save(self, turn: sqlite3.Connection, *, owner: str, last4: str, scenario: str) -> str:
        """Save a card, once per owner, and return what the platform is to be told of it."""
        card = read_one(
            turn,
            "SELECT token FROM card WHERE channel = ? AND owner = ? AND last4 = ?",
            self._channel,
            owner,
            last4,
        )
        token = card["token"] if card is not None else _PREFIX + secrets.token_urlsafe(24)
        if card is None:
            values = {
                "token": token,
                "channel": self._channel,
                "owner": owner,
                "brand": BRAND,
                "last4": last4,
                "scenario": scenario,
                "created_at": time.time(),
            }
            insert(turn, "card", values)
        sealed = codec.seal(key=self._key, token=token)
        return codec.encode({"sealed_token": sealed, "brand": BRAND, "last4": last4}).decode()

    def find_scenario(self, turn: sqlite3.Connection, *, token: str, owner: str) -> str | None:
        """Return how this card behaves; None when it is not the owner's or not this acquirer's."""
        card = read_one(
            turn,
            "SELECT scenario FROM card WHERE token = ? AND channel = ? AND owner = ?",
            token,
            self._channel,
            owner,
        )
        return None if card is None else str(card["scenario"])
