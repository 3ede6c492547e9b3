"""The pure decision: its order, its windows, its counters, and that the same facts always end the same."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkout.risk.deciding import RiskOutcome, decide, list_counters
from checkout.risk.facts import Facts, Proof, Subject, name_proof, tidy_address
from checkout.risk.rules import (
    Conditions,
    Hours,
    Listed,
    Measure,
    Rule,
    RuleAction,
    RuleMode,
    RuleSet,
    Velocity,
)

FACTS = Facts(
    at=1_000,
    merchant="mch_1",
    method="BALANCE",
    amount=1_000,
    currency="CNY",
    source="cashier",
    terminal="WEB",
    weekday=3,
    minute=600,
    payer="pyr_1",
    ip="192.0.2.7",
    proof=Proof.PASSWORD,
)
PER_HOUR = Velocity(Subject.IP, over=3, window_s=3600)


def rule_set(*rules: Rule, listed: tuple[Listed, ...] = ()) -> RuleSet:
    return RuleSet(1, rules, listed)


def rule(action: RuleAction, mode: RuleMode = RuleMode.ENFORCED, **when: object) -> Rule:
    return Rule(
        name=action, action=action, mode=mode, when=Conditions(**when), rule_no=f"{action}-{mode}"
    )


def outcome(facts: Facts, rules: RuleSet, *, up_to: int = 0) -> RiskOutcome:
    return decide(facts, rules, allow_uncounted_up_to=up_to).outcome


ACTIONS = list(RuleAction)
RULES = st.builds(
    rule,
    st.sampled_from(ACTIONS),
    st.sampled_from(list(RuleMode)),
    methods=st.sampled_from([(), ("BALANCE",), ("QR_CODE",)]),
    sources=st.sampled_from([(), ("api",), ("cashier",)]),
    velocity=st.sampled_from([None, PER_HOUR]),
)
WISHES = st.builds(
    msgspec.structs.replace,
    st.just(FACTS),
    method=st.sampled_from(["BALANCE", "QR_CODE"]),
    payer=st.sampled_from(["pyr_1", None]),
    source=st.sampled_from(["api", "cashier"]),
    proof=st.sampled_from(list(Proof)),
    amount=st.sampled_from([1, 999, 1_000, 1_001, 2_000]),
    is_approved=st.booleans(),
)


def speaks(action: RuleAction, facts: Facts, rules: list[Rule], count: int | None) -> str:
    """What a class says, by the simplest reading: "holds", "unknown" or nothing."""
    found = ""
    for one in rules:
        is_asked = one.action is action and one.mode is RuleMode.ENFORCED
        paid_by = {facts.method} | ({"BALANCE"} if facts.payer else set())
        named = set(one.when.methods) or paid_by
        is_about = paid_by <= named if action is RuleAction.ALLOW else bool(paid_by & named)
        is_from = facts.source in (one.when.sources or [facts.source])
        if not (is_asked and is_about and is_from):
            continue
        if one.when.velocity is None or count == 4:
            return "holds"
        if count is None and facts.amount > 1_000 and action is not RuleAction.ALLOW:
            found = "unknown"
    return found


def expect(facts: Facts, said: dict[RuleAction, str]) -> RiskOutcome | None:
    """The outcome that must be, None for letting through."""
    if said[RuleAction.STEP_UP] == "unknown":
        return RiskOutcome.UNCOUNTED
    if said[RuleAction.STEP_UP] and facts.proof is Proof.NONE:
        return RiskOutcome.CONFIRM
    if said[RuleAction.ALLOW]:
        return None
    for action, outcome in (
        (RuleAction.BLOCK, RiskOutcome.BLOCK),
        (RuleAction.REVIEW, RiskOutcome.REVIEW),
    ):
        if said[action] == "unknown":
            return RiskOutcome.UNCOUNTED
        if said[action] and not (action is RuleAction.REVIEW and facts.is_approved):
            return outcome
    return None


@given(WISHES, st.lists(RULES, max_size=8), st.sampled_from([None, 3, 4]), st.randoms())
def test_the_order_is_fixed_and_nothing_else_counts(facts, rules, count, random):
    names = [counter.name for counter in list_counters(facts, rule_set(*rules))]
    counts = dict.fromkeys(names, count) if count is not None else {}
    facts = msgspec.structs.replace(facts, counts=counts)
    got = decide(facts, rule_set(*rules), allow_uncounted_up_to=1_000)
    shuffled = random.sample(rules, len(rules))
    assert outcome(facts, rule_set(*shuffled), up_to=1_000) is got.outcome
    said = {action: speaks(action, facts, rules, count) for action in RuleAction}
    expected = expect(facts, said)
    assert got.passes is (expected is None)
    if expected is not None:
        assert got.outcome is expected
    else:
        challenged = said[RuleAction.STEP_UP] == "holds" and facts.proof is Proof.CHALLENGE
        assert (got.outcome is RiskOutcome.CHALLENGE) is challenged


@given(WISHES, st.lists(RULES, max_size=6))
def test_what_is_kept_can_be_judged_again(facts, rules):
    names = [counter.name for counter in list_counters(facts, rule_set(*rules))]
    facts = msgspec.structs.replace(facts, counts=dict.fromkeys(names, 5))
    kept = msgspec.json.decode(msgspec.json.encode(facts), type=Facts)
    assert kept == facts
    again = decide(kept, rule_set(*rules), allow_uncounted_up_to=0)
    assert again == decide(facts, rule_set(*rules), allow_uncounted_up_to=0)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_rule_in_shadow_or_off_decides_nothing(action: RuleAction):
    for mode in (RuleMode.SHADOW, RuleMode.OFF):
        facts = msgspec.structs.replace(FACTS, proof=Proof.NONE)
        got = decide(facts, rule_set(rule(action, mode)), allow_uncounted_up_to=0)
        assert got.outcome is RiskOutcome.ALLOW
        assert bool(got.fired) is (mode is RuleMode.SHADOW)


def test_more_than_the_limit_is_too_many_and_an_approval_opens_reviews_alone():
    review = rule_set(rule(RuleAction.REVIEW, velocity=PER_HOUR))
    (counter,) = list_counters(FACTS, review)
    for count, ends in ((3, RiskOutcome.ALLOW), (4, RiskOutcome.REVIEW)):
        counted = msgspec.structs.replace(FACTS, counts={counter.name: count})
        assert outcome(counted, review) is ends
        approved = msgspec.structs.replace(counted, is_approved=True)
        assert outcome(approved, review) is RiskOutcome.ALLOW
        blocked = rule_set(rule(RuleAction.BLOCK), rule(RuleAction.REVIEW))
        assert outcome(approved, blocked) is RiskOutcome.BLOCK


@pytest.mark.parametrize(
    ("action", "amount", "ends"),
    [
        (RuleAction.STEP_UP, 1_001, RiskOutcome.UNCOUNTED),
        (RuleAction.BLOCK, 1_001, RiskOutcome.UNCOUNTED),
        (RuleAction.REVIEW, 1_001, RiskOutcome.UNCOUNTED),
        (RuleAction.ALLOW, 1_001, RiskOutcome.BLOCK),
        (RuleAction.STEP_UP, 1_000, RiskOutcome.BLOCK),
        (RuleAction.BLOCK, 1_000, RiskOutcome.BLOCK),
        (RuleAction.ALLOW, 1_000, RiskOutcome.BLOCK),
    ],
)
def test_a_count_that_is_not_known(action: RuleAction, amount: int, ends: RiskOutcome):
    """It refuses above an amount and says nothing below; and it never allows what another rule blocks."""
    rules = rule_set(rule(action, velocity=PER_HOUR), rule(RuleAction.BLOCK, amount_from=1))
    facts = msgspec.structs.replace(FACTS, amount=amount)
    if action is RuleAction.BLOCK and amount > 1_000:
        rules = rule_set(rule(action, velocity=PER_HOUR))
    if action is RuleAction.REVIEW:
        rules = rule_set(rule(action, velocity=PER_HOUR), rule(RuleAction.REVIEW, amount_to=1))
    assert outcome(facts, rules, up_to=1_000) is ends


@pytest.mark.parametrize(
    ("listed", "stands"),
    [
        (Listed("hard_block", Subject.IP, "192.0.2.7"), True),
        (Listed("hard_block", Subject.IP, "192.0.2.0/24"), True),
        (Listed("hard_block", Subject.IP, "192.0.2.0/29", 1_001), True),
        (Listed("hard_block", Subject.IP, "192.0.2.0/29", 1_000), False),
        (Listed("hard_block", Subject.IP, "192.0.3.0/24"), False),
        (Listed("hard_block", Subject.IP, "2001:db8::/32"), False),
        (Listed("hard_block", Subject.PAYER, "pyr_1", 1_001), True),
        (Listed("hard_block", Subject.PAYER, "pyr_1", 1_000), False),
        (Listed("hard_block", Subject.MERCHANT, "pyr_1"), False),
        (Listed("watched", Subject.PAYER, "pyr_1"), False),
    ],
)
def test_the_list_before_all_rules(listed: Listed, stands: bool):
    rules = rule_set(rule(RuleAction.ALLOW), listed=(listed,))
    assert (outcome(FACTS, rules) is RiskOutcome.BLOCK) is stands


def test_a_rule_may_ask_for_a_list():
    rules = rule_set(
        rule(RuleAction.BLOCK, in_list="watched"),
        listed=(Listed("watched", Subject.PAYER, "pyr_1"),),
    )
    assert outcome(FACTS, rules) is RiskOutcome.BLOCK
    other = msgspec.structs.replace(FACTS, payer="pyr_2")
    assert outcome(other, rules) is RiskOutcome.ALLOW


@pytest.mark.parametrize(
    ("start", "end", "minute", "holds"),
    [
        ("09:00", "17:00", 539, False),
        ("09:00", "17:00", 540, True),
        ("09:00", "17:00", 1020, False),
        ("23:00", "06:00", 1380, True),
        ("23:00", "06:00", 359, True),
        ("23:00", "06:00", 360, False),
    ],
)
def test_hours_run_over_midnight(start: str, end: str, minute: int, holds: bool):
    assert Hours(start, end).hold(minute) is holds


def test_counters_are_shared_by_what_they_count():
    same = [
        rule(RuleAction.BLOCK, velocity=PER_HOUR),
        rule(RuleAction.REVIEW, velocity=Velocity(Subject.IP, over=1, window_s=3600)),
    ]
    others = [
        rule(RuleAction.BLOCK, velocity=PER_HOUR, methods=("BALANCE",)),
        rule(RuleAction.BLOCK, velocity=Velocity(Subject.IP, over=3, window_s=60)),
        rule(
            RuleAction.BLOCK,
            velocity=Velocity(Subject.IP, over=3, window_s=3600, measure=Measure.AMOUNT),
        ),
        rule(RuleAction.BLOCK, velocity=Velocity(Subject.CARD, over=3, window_s=3600)),
        rule(RuleAction.BLOCK, velocity=PER_HOUR, methods=("QR_CODE",)),
    ]
    counters = list_counters(FACTS, rule_set(*same, *others))
    assert len(counters) == 4  # no card is known, and this is no QR code
    assert sorted(counter.adds for counter in counters) == [1, 1, 1, 1_000]


def test_proof_by_method():
    matrix = {
        (method, balance, password, able): name_proof(
            method=method, takes_balance=balance, by_password=password, can_challenge=able
        )
        for method, balance, password, able in itertools.product(
            ("BALANCE", "BANK_CARD", "QR_CODE"), (True, False), (True, False), (True, False)
        )
    }
    assert matrix["BALANCE", True, True, False] is Proof.PASSWORD
    assert all(proof is Proof.NONE for key, proof in matrix.items() if key[1] and not key[2])
    assert matrix["BANK_CARD", True, True, True] is Proof.CHALLENGE
    assert matrix["BANK_CARD", False, False, False] is Proof.NONE
    assert matrix["QR_CODE", False, False, False] is Proof.INSTITUTION
    assert matrix["QR_CODE", True, True, False] is Proof.PASSWORD


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("192.0.2.7:80", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_has_one_form(text: str | None, tidy: str | None):
    assert tidy_address(text) == tidy
