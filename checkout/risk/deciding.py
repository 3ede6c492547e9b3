"""The decision: facts and rules in, what becomes of the wish out. Pure; the same in → the same out, also years later.

The order is fixed: hard block list → step-up → allow → block → review; nothing found is allowed. The first class that
decides ends it; within a class the order does not matter. A step-up decides only where the proof it asks for is
missing and cannot be had: where the payer has proved himself, will do so at his institution, or the channel is told to
ask, the later classes still have their say. So a demand for proof never overrides a block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from checkout.risk.facts import Facts, Proof, Subject
from checkout.risk.rules import HARD_BLOCK, Conditions, Measure, Rule, RuleAction, RuleMode, RuleSet


class RiskOutcome(StrEnum):
    """What becomes of a wish. Only ALLOW and CHALLENGE let it through.

    CHALLENGE: with 3-D Secure demanded of the channel. CONFIRM: the payer must pay on our own pages, with his payment
    password. UNCOUNTED: a counter could not be read, and the amount is too high to do without.
    """

    ALLOW = "ALLOW"
    CHALLENGE = "CHALLENGE"
    CONFIRM = "CONFIRM"
    BLOCK = "BLOCK"
    REVIEW = "REVIEW"
    UNCOUNTED = "UNCOUNTED"


PASSING: Final = frozenset({RiskOutcome.ALLOW, RiskOutcome.CHALLENGE})


@dataclass(frozen=True, slots=True)
class Counter:
    """One velocity counter to be read: its name in the facts, whose it is, and what this wish adds."""

    name: str
    window_s: int
    adds: int


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule whose conditions hold; ``is_known`` is false when its counter could not be read."""

    rule: Rule
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """``reason`` is what decided: a rule's number, ``hard_block:SUBJECT:value``, or empty for nothing found."""

    outcome: RiskOutcome
    reason: str = ""
    fired: tuple[Fired, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the payment may be started."""
        return self.outcome in PASSING


def list_counters(facts: Facts, rules: RuleSet) -> tuple[Counter, ...]:
    """Return the counters that rules ask for whose other conditions hold, each once; usually none."""
    found = {}
    for rule in rules.live_rules:
        velocity = rule.when.velocity
        if velocity is None or not _holds_apart_from_velocity(rule, facts, rules):
            continue
        name = _name_counter(rule.when, facts)
        if name is not None:
            adds = facts.amount if velocity.measure is Measure.AMOUNT else 1
            found[name] = Counter(name, velocity.window_s, adds)
    return tuple(found.values())


def decide(facts: Facts, rules: RuleSet, *, allow_uncounted_up_to: int) -> Decision:
    """Judge a wish. ``allow_uncounted_up_to``: minor units up to which an unreadable counter stops nobody."""
    listed = rules.find_listed(HARD_BLOCK, _list_subjects(facts), facts.at)
    fired = tuple(_find_fired(facts, rules))
    if listed is not None:
        return Decision(RiskOutcome.BLOCK, f"{HARD_BLOCK}:{listed}", fired)
    is_small = facts.amount <= allow_uncounted_up_to
    is_challenged = False
    for action in RuleAction:
        rule = _choose(action, fired, is_small=is_small)
        if rule is None:
            continue
        if not rule.is_known:
            return Decision(RiskOutcome.UNCOUNTED, rule.rule.rule_no, fired)
        if action is RuleAction.STEP_UP:
            if facts.proof is Proof.NONE:
                return Decision(RiskOutcome.CONFIRM, rule.rule.rule_no, fired)
            is_challenged = facts.proof is Proof.CHALLENGE
        elif action is RuleAction.ALLOW:
            return Decision(_pass(is_challenged), rule.rule.rule_no, fired)
        elif action is RuleAction.BLOCK:
            return Decision(RiskOutcome.BLOCK, rule.rule.rule_no, fired)
        elif not facts.is_approved:
            return Decision(RiskOutcome.REVIEW, rule.rule.rule_no, fired)
    return Decision(_pass(is_challenged), "", fired)


def _pass(is_challenged: bool) -> RiskOutcome:
    return RiskOutcome.CHALLENGE if is_challenged else RiskOutcome.ALLOW


def _choose(action: RuleAction, fired: tuple[Fired, ...], *, is_small: bool) -> Fired | None:
    """Return the rule that speaks for a class: one that is known to hold rather than one whose counter is unknown.

    An unknown counter never allows, and never stops a small amount.
    """
    uncounted = None
    for one in fired:
        if one.rule.action is not action or one.rule.mode is not RuleMode.ENFORCED:
            continue
        if one.is_known:
            return one
        uncounted = one
    return None if is_small or action is RuleAction.ALLOW else uncounted


def _find_fired(facts: Facts, rules: RuleSet) -> Iterator[Fired]:
    for rule in rules.live_rules:
        if not _holds_apart_from_velocity(rule, facts, rules):
            continue
        velocity = rule.when.velocity
        name = _name_counter(rule.when, facts)
        if velocity is None:
            yield Fired(rule)
        elif name is not None:
            counted = facts.counts.get(name)
            if counted is None or counted > velocity.over:
                yield Fired(rule, is_known=counted is not None)


def _is_about_methods(rule: Rule, facts: Facts) -> bool:
    """Any method of a combined wish brings it under a rule; to be allowed, the rule must name all of them.

    A balance that is taken beside another method would else go by its rules, up to the whole amount.
    """
    named = rule.when.methods
    if not named:
        return True
    asked = [method in named for method in facts.methods]
    return all(asked) if rule.action is RuleAction.ALLOW else any(asked)


def _holds_apart_from_velocity(rule: Rule, facts: Facts, rules: RuleSet) -> bool:
    when = rule.when
    return (
        _is_about_methods(rule, facts)
        and (not when.merchants or facts.merchant in when.merchants)
        and (not when.currencies or facts.currency in when.currencies)
        and (not when.terminals or facts.terminal in when.terminals)
        and (not when.sources or facts.source in when.sources)
        and (when.amount_from is None or facts.amount >= when.amount_from)
        and (when.amount_to is None or facts.amount <= when.amount_to)
        and (not when.weekdays or facts.weekday in when.weekdays)
        and (when.hours is None or when.hours.hold(facts.minute))
        and (
            when.in_list is None
            or rules.find_listed(when.in_list, _list_subjects(facts), facts.at) is not None
        )
    )


def _name_counter(when: Conditions, facts: Facts) -> str | None:
    """Name the counter of a velocity rule; rules that count the same share it. None: it is not known whose."""
    velocity = when.velocity
    who = facts.name_subject(velocity.subject) if velocity is not None else None
    if velocity is None or who is None:
        return None
    what = velocity.measure if velocity.measure is Measure.COUNT else facts.currency
    return f"{velocity.subject}:{who}:{what}:{velocity.window_s}{_digest_scope(when)}"


@lru_cache(maxsize=1024)
def _digest_scope(when: Conditions) -> str:
    """Tell counters apart that count different tries: those to which a rule's other conditions hold."""
    scope = msgspec.structs.replace(when, velocity=None)
    if scope == Conditions():
        return ""
    return ":" + hashlib.sha256(msgspec.json.encode(scope)).hexdigest()[:12]


def _list_subjects(facts: Facts) -> list[tuple[Subject, str]]:
    return [(one, who) for one in Subject if (who := facts.name_subject(one)) is not None]
