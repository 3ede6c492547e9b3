"""Risk rules as data: what may be said in a rule, and its form ready to be judged by. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal

import msgspec

from checkout.risk.facts import Subject

HARD_BLOCK: Final = "hard_block"
"""The list whose entries are refused before any rule is looked at."""
SHORTEST_WINDOW_S: Final = 60
LONGEST_WINDOW_S: Final = 30 * 24 * 3600

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RuleAction(StrEnum):
    """What a rule asks for, in the order in which classes are judged; the hard block list stands before them."""

    STEP_UP = "STEP_UP"
    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    REVIEW = "REVIEW"


class RuleMode(StrEnum):
    """OFF: not looked at. SHADOW: what it would do is noted. ENFORCED: it decides."""

    OFF = "OFF"
    SHADOW = "SHADOW"
    ENFORCED = "ENFORCED"


class Measure(StrEnum):
    """What a velocity rule adds up: tries to pay, or the minor units of them."""

    COUNT = "COUNT"
    AMOUNT = "AMOUNT"


_ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Amount = Annotated[int, msgspec.Meta(ge=1, le=999_999_999_999)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """From a minute of the day up to another, without it, in the business time zone; over midnight when it is less."""

    from_: _ClockTime
    to: _ClockTime

    def hold(self, minute: int) -> bool:
        """Tell whether a minute of the day (0–1439) lies in between."""
        first, end = _read_clock(self.from_), _read_clock(self.to)
        return first <= minute < end if first < end else minute >= first or minute < end


class Velocity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """More than ``over`` tries, or minor units, of one subject within ``window_s`` seconds, this try included."""

    subject: Subject
    over: _Amount
    window_s: Annotated[int, msgspec.Meta(ge=SHORTEST_WINDOW_S, le=LONGEST_WINDOW_S)]
    measure: Measure = Measure.COUNT


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that is said must hold; of several values in one place any will do; what is not said always holds.

    Amounts are minor units, both ends included. ``in_list`` names a list that payer, card, address or merchant is on.
    """

    merchants: tuple[_Name, ...] = ()
    methods: tuple[_Name, ...] = ()
    currencies: tuple[_Name, ...] = ()
    terminals: tuple[Literal["WEB", "WAP", "APP"], ...] = ()
    sources: tuple[Literal["api", "cashier"], ...] = ()
    amount_from: _Amount | None = None
    amount_to: _Amount | None = None
    weekdays: tuple[Annotated[int, msgspec.Meta(ge=1, le=7)], ...] = ()
    hours: Hours | None = None
    in_list: _Name | None = None
    velocity: Velocity | None = None

    def find_fault(self) -> tuple[str, str] | None:
        """Return (field, what is wrong) of conditions that make no sense together, None for good ones."""
        by_amount = self.amount_from is not None or self.amount_to is not None
        by_sum = self.velocity is not None and self.velocity.measure is Measure.AMOUNT
        if (by_amount or by_sum) and len(self.currencies) != 1:
            return "currencies", "amounts are of one currency: name exactly one"
        if self.amount_from and self.amount_to and self.amount_from > self.amount_to:
            return "amount_from", "at most amount_to"
        if self.in_list == HARD_BLOCK:
            return "in_list", f"{HARD_BLOCK} is refused before any rule"
        return None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule, as it is stored and as a draft writes it."""

    name: _Name
    action: RuleAction
    mode: RuleMode = RuleMode.SHADOW
    when: Conditions = Conditions()
    rule_no: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One value on a list; a subject IP may be a network. ``expires_at`` in seconds since 1970."""

    list_name: str
    subject: Subject
    value: str
    expires_at: int | None = None


@dataclass(frozen=True)
class RuleSet:
    """The rules and lists in force at one version."""

    version: int
    rules: tuple[Rule, ...] = ()
    listed: tuple[Listed, ...] = ()

    @cached_property
    def live_rules(self) -> tuple[Rule, ...]:
        """The rules to look at."""
        return tuple(rule for rule in self.rules if rule.mode is not RuleMode.OFF)

    @cached_property
    def _values(self) -> dict[tuple[str, Subject, str], int | None]:
        return {
            (entry.list_name, entry.subject, entry.value): entry.expires_at
            for entry in self.listed
            if "/" not in entry.value
        }

    @cached_property
    def _networks(self) -> dict[str, list[tuple[Network, int | None]]]:
        found: dict[str, list[tuple[Network, int | None]]] = {}
        for entry in self.listed:
            if "/" in entry.value:
                network = ipaddress.ip_network(entry.value)
                found.setdefault(entry.list_name, []).append((network, entry.expires_at))
        return found

    def find_listed(
        self, list_name: str, subjects: Iterable[tuple[Subject, str]], at: int
    ) -> str | None:
        """Return which of the subjects stands on the list at that time, as ``SUBJECT:value``; None when none does."""
        for subject, value in subjects:
            expires_at = self._values.get((list_name, subject, value), 0)
            if expires_at is None or expires_at > at:
                return f"{subject}:{value}"
            if subject is Subject.IP and list_name in self._networks:
                address = ipaddress.ip_address(value)
                for network, until in self._networks[list_name]:
                    if address in network and (until is None or until > at):
                        return f"{subject}:{network}"
        return None


def _read_clock(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
