"""Rehearsal 规则预演: stored decisions judged again by draft rules, and what would have come out differently. Pure.

Nothing is asked and nothing is written: a decision keeps all facts that it was made from.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from checkout.risk.counting import ReplayedCounters
from checkout.risk.deciding import Decision, decide, list_counters
from checkout.risk.facts import Facts
from checkout.risk.rules import RuleSet
from checkout.route_book import RouteBook
from checkout.routing import RouteFacts, choose_route, find_cost

SHOWN_EXAMPLES: Final = 10
NOBODY: Final = "no channel"


@dataclass(slots=True)
class Change:
    """Decisions that end otherwise in one way: an order counts once in ``amount``, however often it was tried."""

    decisions: int = 0
    orders: set[str] = field(default_factory=set)
    amount: int = 0

    def add(self, order_no: str, amount: int) -> None:
        """Count one decision."""
        self.decisions += 1
        if order_no not in self.orders:
            self.orders.add(order_no)
            self.amount += amount


@dataclass(slots=True)
class Differences:
    """What a rehearsal finds: changes by (from, to, currency), and the first few of them."""

    judged: int = 0
    changed: int = 0
    changes: dict[tuple[str, str, str], Change] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)

    def note(
        self, *, before: str, after: str, order_no: str, money: tuple[int, str], why: str
    ) -> None:
        """Count one decision, changed or not."""
        self.judged += 1
        if before == after:
            return
        self.changed += 1
        amount, currency = money
        self.changes.setdefault((before, after, currency), Change()).add(order_no, amount)
        if len(self.examples) < SHOWN_EXAMPLES:
            self.examples.append({"order_no": order_no, "from": before, "to": after, "why": why})

    def as_document(self) -> dict[str, Any]:
        """Write it for ``--json``."""
        return {
            "decisions": self.judged,
            "changed": self.changed,
            "changes": [
                {
                    "from": before,
                    "to": after,
                    "currency": currency,
                    "decisions": change.decisions,
                    "orders": len(change.orders),
                    "amount": change.amount,
                }
                for (before, after, currency), change in sorted(self.changes.items())
            ],
            "examples": self.examples,
        }


class RiskRehearsal:
    """Stored risk decisions against draft rules, in the order of their time.

    A counter that the decision kept is taken as it was; one that only the draft asks for is counted again from the
    wishes before, also those of the time before the days that are compared (``warm``).
    """

    def __init__(self, rules: RuleSet) -> None:
        self._rules, self._counters = rules, ReplayedCounters()
        self.found = Differences()
        self.fired: Tally[str] = Tally()

    def warm(self, facts: Facts) -> None:
        """Count a wish that is too old to be compared."""
        self._count(facts)

    def judge(self, facts: Facts, *, outcome: str, order_no: str) -> Decision:
        """Judge one wish again and note how it ends now."""
        facts = msgspec.structs.replace(facts, counts={**self._count(facts), **facts.counts})
        decision = decide(facts, self._rules, allow_uncounted_up_to=0)
        self.fired.update(one.rule.rule_no for one in decision.fired)
        self.found.note(
            before=outcome,
            after=decision.outcome,
            order_no=order_no,
            money=(facts.amount, facts.currency),
            why=decision.reason,
        )
        return decision

    def _count(self, facts: Facts) -> dict[str, int]:
        return {
            counter.name: self._counters.count(counter, at=facts.at)
            for counter in list_counters(facts, self._rules)
        }


class RouteRehearsal:
    """Stored routing decisions against a draft book: who would be asked first, and what it would be expected to cost.

    Both costs are by the draft's own list, so that only the choice differs; where it names a cost for one of the two
    channels only, the payment counts as ``uncosted``.
    """

    def __init__(self, book: RouteBook) -> None:
        self._book = book
        self.found = Differences()
        self.costs: dict[str, list[int]] = {}
        self.uncosted = 0

    def choose(self, facts: RouteFacts, *, channel: str, order_no: str) -> str:
        """Choose again for one payment and note which channel comes first now."""
        choice = choose_route(facts, self._book)
        chosen = choice.codes[0] if choice.codes else NOBODY
        self.found.note(
            before=channel,
            after=chosen,
            order_no=order_no,
            money=(facts.amount, facts.currency),
            why=choice.rule or "otherwise",
        )
        before, after = (self._cost(facts, code) for code in (channel, chosen))
        if before is None or after is None:
            self.uncosted += 1
        else:
            both = self.costs.setdefault(facts.currency, [0, 0])
            both[0] += before
            both[1] += after
        return chosen

    def list_costs(self) -> list[dict[str, Any]]:
        """Return the expected cost by currency, in minor units, as it was routed and as it would be."""
        return [
            {"currency": currency, "before_amount": before, "after_amount": after}
            for currency, (before, after) in sorted(self.costs.items())
        ]

    def _cost(self, facts: RouteFacts, channel: str) -> int | None:
        return find_cost(
            self._book,
            channel=channel,
            method=facts.method,
            currency=facts.currency,
            amount=facts.amount,
        )
