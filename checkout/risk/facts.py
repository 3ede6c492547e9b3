"""What is known of a wish to pay when it is judged. Stored with the decision, so that it can be judged again. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

BALANCE: Final = "BALANCE"


class Subject(StrEnum):
    """Whom a list names and whose tries are counted."""

    PAYER = "PAYER"
    CARD = "CARD"
    IP = "IP"
    MERCHANT = "MERCHANT"


class Proof(StrEnum):
    """How the payer is known to be himself.

    PASSWORD: his payment password came with this very payment. INSTITUTION: he will confirm at his bank or wallet, as
    QR codes, wallets and net banking always ask. CHALLENGE: nothing yet, but the channel can be told to ask (3-D
    Secure). NONE: nothing, and nobody can be told to ask: a merchant pays with a token.
    """

    PASSWORD = "PASSWORD"  # noqa: S105 - a kind of proof
    INSTITUTION = "INSTITUTION"
    CHALLENGE = "CHALLENGE"
    NONE = "NONE"


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wish to pay; ``amount`` in minor units, ``at`` in seconds since 1970.

    ``weekday`` (1 is Monday) and ``minute`` of the day are in the business time zone. ``payer``, ``card``, ``ip`` are
    what the wish tells of the payer: his number, what names the card, where his browser is. ``counts`` are the velocity
    counters that were read, this wish included; one that could not be read is absent.
    """

    at: int
    merchant: str
    method: str
    amount: int
    currency: str
    source: str
    terminal: str
    weekday: int
    minute: int
    payer: str | None = None
    card: str | None = None
    ip: str | None = None
    proof: Proof = Proof.NONE
    is_approved: bool = False
    counts: Mapping[str, int] = {}

    @property
    def methods(self) -> tuple[str, ...]:
        """All by which the wish may be paid: a payer's balance that gives its part, or everything, is one of them."""
        if self.payer is None or self.method == BALANCE:
            return (self.method,)
        return (self.method, BALANCE)

    def name_subject(self, subject: Subject) -> str | None:
        """Return who that is in this wish, None when it is not known."""
        if subject is Subject.PAYER:
            return self.payer
        if subject is Subject.CARD:
            return self.card
        return self.ip if subject is Subject.IP else self.merchant


def name_proof(
    *, method: str, takes_balance: bool, by_password: bool, can_challenge: bool
) -> Proof:
    """Return the proof that comes with a wish; of a combined payment the weaker of its two."""
    if takes_balance and not by_password:
        return Proof.NONE
    if method == BALANCE:
        return Proof.PASSWORD
    if method == "BANK_CARD":
        return Proof.CHALLENGE if can_challenge else Proof.NONE
    return Proof.PASSWORD if takes_balance else Proof.INSTITUTION


def tidy_address(text: str | None) -> str | None:
    """Return an IP address in its one form, an IPv4 address inside IPv6 as such; None for what is no address."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
