"""The pure choice of a channel: every candidate has its reason, and the same facts always give the same order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquiring.contracts import Method
from checkout.route_book import RouteBook, parse_route_book
from checkout.routing import ROUTE_REASONS, RouteChoice, RouteFacts, choose_route, find_cost
from engine.contracts import BreakerState, ChannelFacts
from paymentplatform.kernel.errors import InvalidRequest

ABC = ("a", "b", "c")


def channel(code: str, **changes: Any) -> ChannelFacts:
    return ChannelFacts(**{"code": code, "takes_method": True} | changes)


def facts(*channels: ChannelFacts, **changes: Any) -> RouteFacts:
    known = {
        "merchant_no": "mch_1",
        "method": Method.BANK_CARD,
        "currency": "CNY",
        "amount": 100_00,
        "seed": "pay_1",
        "channels": channels or tuple(channel(code) for code in ABC),
    }
    return RouteFacts(**known | changes)


def rule(use: dict[str, Any] | None = None, **when: Any) -> dict[str, Any]:
    return {"name": "r", "when": when, "use": use or {"channels": [{"channel": "c"}]}}


def book(*rules: dict[str, Any], **rest: Any) -> RouteBook:
    return parse_route_book({"rules": list(rules), **rest})


def reasons(choice: RouteChoice) -> dict[str, str]:
    return {row.channel: row.reason for row in choice.candidates}


def test_an_empty_book_means_every_channel_in_configured_order():
    choice = choose_route(facts(), RouteBook())
    assert (choice.rule, choice.codes) == (None, ABC)
    assert reasons(choice) == {"a": "first", "b": "fallback", "c": "fallback"}


@pytest.mark.parametrize(
    ("changes", "given", "reason"),
    [
        ({"takes_method": False}, {}, "method_not_supported"),
        ({"options": ("ICBC",)}, {"bank_code": "CMB"}, "option_not_supported"),
        ({"options": ()}, {"wallet_code": "BLUE"}, "option_not_supported"),
        ({}, {"card_channel": "b"}, "not_the_cards_channel"),
        ({"in_maintenance": True}, {}, "in_maintenance"),
        ({"is_disabled": True}, {}, "disabled"),
        ({"breaker": BreakerState.OPEN}, {}, "breaker_open"),
        ({"is_over_limit": True}, {}, "over_exposure_limit"),
    ],
)
def test_why_a_channel_is_no_candidate(changes: dict[str, Any], given: dict[str, Any], reason: str):
    options = ("CMB", "BLUE")
    choice = choose_route(
        facts(channel("a", **changes), channel("b", options=options), **given), RouteBook()
    )
    assert choice.codes == ("b",)
    assert reasons(choice) == {"a": reason, "b": "first"}


@pytest.mark.parametrize(
    ("when", "hits", "misses"),
    [
        ({"merchants": ["mch_1"]}, {}, {"merchant_no": "mch_2"}),
        ({"methods": ["BANK_CARD"]}, {}, {"method": Method.QR_CODE}),
        ({"currencies": ["CNY"]}, {}, {"currency": "USD"}),
        ({"currencies": ["CNY"], "min_amount": 100_00}, {}, {"amount": 99_99}),
        ({"currencies": ["CNY"], "max_amount": 100_00}, {}, {"amount": 100_01}),
        ({"banks": ["CMB"]}, {"bank_code": "CMB"}, {}),
        ({"wallets": ["BLUE"]}, {"wallet_code": "BLUE"}, {}),
        ({"bins": ["6222"]}, {"card_bin": "622202"}, {"card_bin": "411111"}),
        ({"bins": ["6222"]}, {"card_bin": "6222"}, {}),
        ({"terminals": ["APP"]}, {"terminal": "APP"}, {}),
    ],
)
def test_what_a_rule_matches(when: dict[str, Any], hits: dict[str, Any], misses: dict[str, Any]):
    everything = tuple(channel(code, options=("CMB", "BLUE")) for code in ABC)
    wanted = book(rule(**when))
    assert choose_route(facts(*everything, **hits), wanted).codes == ("c", "a", "b")
    missed = choose_route(facts(*everything, **misses), wanted)
    assert (missed.rule, missed.codes) == (None, ABC)


def test_the_first_matching_rule_decides_and_only_keeps_the_others_out():
    only_b = {"channels": [{"channel": "b"}], "only": True}
    chosen = choose_route(
        facts(),
        book(rule(merchants=["mch_2"]), rule(only_b) | {"name": "s"}, rule() | {"name": "t"}),
    )
    assert (chosen.rule, chosen.codes) == ("s", ("b",))
    assert reasons(chosen)["a"] == "not_in_rule"
    dead = facts(channel("a"), channel("b", breaker=BreakerState.OPEN))
    assert choose_route(dead, book(rule(only_b))).codes == ()


def test_cost_and_success_rate_order_the_channels():
    costs = [
        {"channel": "a", "rate_ppm": 6_000},
        {
            "channel": "b",
            "method": "BANK_CARD",
            "currency": "CNY",
            "rate_ppm": 3_000,
            "fixed_amount": 50,
        },
        {"channel": "b", "rate_ppm": 0},
    ]
    cheap = book(otherwise={"strategy": "COST"}, costs=costs)
    choice = choose_route(facts(), cheap)
    assert choice.codes == ("a", "b", "c"), "60 for a, 80 for b, c unknown"
    assert [row.cost_amount for row in choice.candidates] == [60, 80, None]
    assert choose_route(facts(amount=1000_00), cheap).codes == ("b", "a", "c"), "600 and 350"
    assert find_cost(cheap, channel="b", method="QR_CODE", currency="CNY", amount=1000_00) == 0

    by_rate = book(otherwise={"strategy": "SUCCESS_RATE"})
    rates = (channel("a", success_ppm=904_000), channel("b", success_ppm=909_999), channel("c"))
    assert choose_route(facts(*rates), by_rate).codes == ("c", "a", "b"), (
        "one per cent is no difference"
    )
    better = (channel("a", success_ppm=904_000), channel("b", success_ppm=960_000))
    assert choose_route(facts(*better), by_rate).codes == ("b", "a")


def test_weights_share_the_payments_out_and_order_the_fallbacks_too():
    shares = [
        {"channel": "a", "weight": 70},
        {"channel": "b", "weight": 30},
        {"channel": "c", "weight": 0},
    ]
    weighed = book(otherwise={"strategy": "WEIGHTS", "channels": shares})
    first = [choose_route(facts(seed=f"pay_{n}"), weighed).codes for n in range(2_000)]
    assert all(codes[2] == "c" for codes in first)
    share = sum(codes[0] == "a" for codes in first) / len(first)
    assert 0.66 < share < 0.74
    assert choose_route(facts(), weighed) == choose_route(facts(), weighed)


def test_a_recovering_channel_gets_one_payment_in_ten_first_and_is_the_last_for_the_others():
    recovering = (channel("a", breaker=BreakerState.HALF_OPEN), channel("b"))
    choices = [choose_route(facts(*recovering, seed=f"pay_{n}"), RouteBook()) for n in range(2_000)]
    probes = [choice for choice in choices if choice.codes[0] == "a"]
    assert 0.07 < len(probes) / len(choices) < 0.13
    assert {reasons(choice)["a"] for choice in probes} == {"probe"}
    assert {choice.codes for choice in choices} == {("a", "b"), ("b", "a")}
    alone = choose_route(facts(recovering[0]), RouteBook())
    assert reasons(alone) == {"a": "probe"}, "there is nobody else to ask"


CHANNELS = st.lists(
    st.builds(
        ChannelFacts,
        code=st.sampled_from("abcdef"),
        takes_method=st.booleans(),
        options=st.lists(st.sampled_from(["CMB", "ICBC"]), unique=True).map(tuple),
        is_over_limit=st.booleans(),
        in_maintenance=st.booleans(),
        is_disabled=st.booleans(),
        breaker=st.sampled_from(BreakerState),
        success_ppm=st.none() | st.integers(0, 1_000_000),
    ),
    max_size=6,
    unique_by=lambda row: row.code,
).map(tuple)
USES = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(["ORDER", "WEIGHTS", "COST", "SUCCESS_RATE"]),
        "channels": st.lists(
            st.fixed_dictionaries(
                {"channel": st.sampled_from("abcdefg"), "weight": st.integers(1, 9)}
            ),
            min_size=1,
            unique_by=lambda share: share["channel"],
        ),
        "only": st.booleans(),
    }
)


@given(channels=CHANNELS, use=USES, bank=st.none() | st.just("CMB"), seed=st.text(max_size=8))
def test_whatever_the_facts_everybody_has_one_reason_and_a_replay_agrees(
    channels: tuple[ChannelFacts, ...], use: dict[str, Any], bank: str | None, seed: str
):
    given_facts = (
        facts(amount=5_00, bank_code=bank, seed=seed)
        if not channels
        else facts(*channels, amount=5_00, bank_code=bank, seed=seed)
    )
    rules = book(rule(use))
    choice = choose_route(given_facts, rules)
    assert sorted(reasons(choice)) == sorted(row.code for row in given_facts.channels)
    assert set(reasons(choice).values()) <= set(ROUTE_REASONS)
    places = [row.place for row in choice.candidates if row.place is not None]
    assert places == list(range(1, len(places) + 1))
    fit = {row.code: row for row in given_facts.channels}
    for row in (fit[code] for code in choice.codes):
        assert row.takes_method
        assert not row.is_over_limit
        assert not row.in_maintenance
        assert not row.is_disabled
        assert row.breaker != BreakerState.OPEN

    stored = msgspec.convert(msgspec.json.decode(msgspec.json.encode(given_facts)), RouteFacts)
    kept = msgspec.convert(msgspec.json.decode(msgspec.json.encode(rules)), RouteBook)
    assert choose_route(stored, kept) == choice


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], ""),
        ({"rule": []}, ""),
        ({"rules": [{"name": "x", "when": {"merchant": ["m"]}}]}, "rules[0].when"),
        ({"rules": [{"name": ""}]}, "rules[0].name"),
        ({"rules": [{"name": "x"}, {"name": "x"}]}, "rules[1].name"),
        ({"rules": [rule(methods=["BALANCE"])]}, "rules[0].when.methods"),
        ({"rules": [rule(currencies=["XXX"])]}, "rules[0].when.currencies"),
        ({"rules": [rule(min_amount=1)]}, "rules[0].when.currencies"),
        (
            {"rules": [rule(currencies=["CNY"], min_amount=2, max_amount=1)]},
            "rules[0].when.max_amount",
        ),
        ({"rules": [rule(currencies=["CNY"], min_amount=1.5)]}, "rules[0].when.min_amount"),
        ({"rules": [rule({"only": True})]}, "rules[0].use.channels"),
        ({"otherwise": {"strategy": "WEIGHTS"}}, "otherwise.channels"),
        ({"otherwise": {"channels": [{"channel": "a"}, {"channel": "a"}]}}, "otherwise.channels"),
        ({"otherwise": {"channels": [{"channel": "nobody"}]}}, "otherwise.channels"),
        ({"costs": [{"channel": "a", "fixed_amount": 1}]}, "costs[0].currency"),
        ({"costs": [{"channel": "nobody"}]}, "costs[0].channel"),
        ({"costs": [{"channel": "a", "rate_ppm": 1_000_001}]}, "costs[0].rate_ppm"),
    ],
)
def test_a_faulty_book_is_refused_with_the_place_of_the_fault(document: Any, field: str):
    with pytest.raises(InvalidRequest) as caught:
        parse_route_book(document, channels=ABC)
    assert [error.field for error in caught.value.errors] == [field]
