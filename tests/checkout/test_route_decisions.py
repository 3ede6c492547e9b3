"""Routes of real payments: kept in the transaction that accepts them, and made again from what was kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from acquiring.contracts import Method
from checkout.contracts import MethodUnavailable, RouteBookOutdated
from checkout.models import RouteBookVersion, RouteDecision
from checkout.routing import Candidate, RouteFacts, choose_route
from checkout.services.route_books import (
    adopt_route_book,
    check_route_book,
    get_route_book,
    get_route_book_version,
)
from engine.channels.base import Capability
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.barrier import run_together
from tests.engine.scripted import ScriptedChannel
from tests.engine.test_funnel import PENDING, RETRIABLE
from tests.makers import make_merchant, make_payer, make_payer_token
from tests.trading import Trade, make_trade

Channels = tuple[ScriptedChannel, ScriptedChannel]


def adopt(document: dict[str, Any], **changes: Any) -> int:
    wanted = {"document": document, "based_on": newest(), "reason": "test", "made_by": "ann"}
    return adopt_route_book(**wanted | changes)


def newest() -> int:
    return RouteBookVersion.objects.order_by("-version").values_list("version", flat=True)[0]


def rules_for(trade: Trade, use: dict[str, Any]) -> dict[str, Any]:
    when = {"merchants": [trade.merchant.merchant_no]}
    return {"rules": [{"name": "of-this-test", "when": when, "use": use}]}


def decision_of(trade: Trade) -> RouteDecision:
    return RouteDecision.objects.get(order_no=trade.order_no)


def test_the_decision_is_kept_with_the_payment_and_can_be_replayed(channels: Channels):
    trade = make_trade(payer_ref="alice")
    second_first = {"channels": [{"channel": "scripted2"}]}
    version = adopt(rules_for(trade, second_first))
    channels[1].pay_answers.append(RETRIABLE)
    channels[0].pay_answers.append(PENDING)
    trade.pay()
    assert [row["channel_code"] for row in trade.attempts()] == ["scripted2", "scripted"]

    kept = decision_of(trade)
    assert (kept.payment_no, kept.channel_code) == (trade.payments()[0]["payment_no"], "scripted2")
    assert (kept.rule, kept.strategy, kept.book_version) == ("of-this-test", "ORDER", version)
    assert (kept.amount, kept.method, kept.payer_ref) == (10_00, "QR_CODE", "alice")
    assert [(row["channel"], row["reason"]) for row in kept.candidates] == [
        ("scripted2", "first"),
        ("scripted", "fallback"),
    ]
    facts = msgspec.convert(kept.facts, RouteFacts)
    again = choose_route(facts, get_route_book_version(version=kept.book_version))
    assert again.candidates == msgspec.convert(kept.candidates, tuple[Candidate, ...])
    assert choose_route(facts, get_route_book_version(version=1)).codes == ("scripted", "scripted2")


def test_without_a_candidate_nothing_is_written(channels: Channels):
    trade = make_trade()
    adopt(rules_for(trade, {"channels": [{"channel": "scripted"}], "only": True}))
    channels[0].capabilities = frozenset()
    try:
        with pytest.raises(MethodUnavailable, match="channel_unavailable"):
            trade.pay()
    finally:
        del channels[0].capabilities
    assert trade.payments() == []
    assert trade.order()["status"] == "INIT"
    assert not RouteDecision.objects.filter(order_no=trade.order_no).exists()


def test_what_the_channel_collects_is_what_is_routed(channels: Channels):
    trade = make_trade(amount=10_00)
    token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
    channels[0].pay_answers.append(PENDING)
    trade.pay_combined(Method.QR_CODE, payer_token=token, balance_amount=4_00)
    assert decision_of(trade).amount == 6_00


class TestAdopting:
    def test_a_version_takes_effect_at_once_here_and_keeps_its_predecessors(
        self, channels: Channels
    ):
        before = get_route_book()
        merchant = make_merchant()["merchant_no"]
        document = {"rules": [{"name": "x", "when": {"merchants": [merchant]}}]}
        version = adopt(document, reason="because", made_by="operator:ann")
        assert version == newest() == get_route_book().version
        row = RouteBookVersion.objects.get(version=version)
        assert (row.reason, row.made_by, row.document) == ("because", "operator:ann", document)
        assert get_route_book_version(version=before.version or 1) is not None
        with pytest.raises(NotFound):
            get_route_book_version(version=version + 1)

    def test_what_nobody_approved_is_refused_and_changes_nothing(self, channels: Channels):
        standing = newest()
        stranger = {"otherwise": {"channels": [{"channel": "nobody"}]}}
        same = msgspec.to_builtins(get_route_book_version(version=standing))
        for document, based_on, error in (
            (stranger, standing, InvalidRequest),
            (same, standing, InvalidRequest),
            ({"costs": [{"channel": "scripted"}]}, standing - 1, RouteBookOutdated),
        ):
            with pytest.raises(error):
                check_route_book(document=document, based_on=based_on)
            with pytest.raises(error):
                adopt(document, based_on=based_on)
        assert newest() == standing

    def test_of_two_at_once_one_is_outdated(self, channels: Channels):
        standing = newest()

        def adopt_mine(rate: int) -> object:
            document = {"costs": [{"channel": "scripted", "rate_ppm": rate + standing}]}
            try:
                return adopt(document, based_on=standing)
            except RouteBookOutdated as error:
                return error

        answers = run_together([lambda rate=rate: adopt_mine(rate) for rate in (1, 2, 3)])
        assert sorted(str(type(answer).__name__) for answer in answers) == [
            "RouteBookOutdated",
            "RouteBookOutdated",
            "int",
        ]
        assert newest() == standing + 1

    def test_it_joins_the_transaction_of_an_approval(self, channels: Channels):
        standing = newest()
        document = {"costs": [{"channel": "scripted", "rate_ppm": standing + 77}]}

        @transactions.start
        def approve() -> None:
            transactions.join(adopt_route_book)(
                document=document, based_on=standing, reason="r", made_by="m"
            )
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            approve()
        assert newest() == standing


class TestFirstDigits:
    """A card's first digits, told by the merchant, choose among channels and are told to nobody."""

    def by_bin(self, trade: Trade) -> None:
        document = rules_for(trade, {"channels": [{"channel": "scripted2"}]})
        document["rules"][0]["when"]["bins"] = ["6222"]
        adopt(document)

    @pytest.fixture
    def cards(self, channels: Channels, monkeypatch: pytest.MonkeyPatch) -> Channels:
        for channel in channels:
            monkeypatch.setattr(
                channel, "capabilities", channel.capabilities | {Capability.BANK_CARD}
            )
            channel.pay_answers.append(PENDING)
        return channels

    @pytest.mark.parametrize(
        ("told", "channel"),
        [
            ("622202", "scripted2"),
            ("62220212", "scripted2"),
            ("411111", "scripted"),
            (None, "scripted"),
        ],
    )
    def test_they_choose_the_channel(self, cards: Channels, told: str | None, channel: str):
        trade = make_trade()
        self.by_bin(trade)
        trade.pay(Method.BANK_CARD, **({"card_bin": told} if told else {}))
        kept = decision_of(trade)
        assert (kept.channel_code, kept.facts.get("card_bin")) == (channel, told)
        (payment,) = trade.payments()
        assert "card_bin" not in payment["context"]

    def test_other_digits_are_no_other_wish(self, cards: Channels):
        trade = make_trade()
        first = trade.pay(Method.BANK_CARD, card_bin="622202")
        assert trade.pay(Method.BANK_CARD, card_bin="411111").payment_no == first.payment_no
        assert len(trade.payments()) == 1

    @pytest.mark.parametrize(
        ("method", "options"),
        [
            (Method.QR_CODE, {"card_bin": "622202"}),
            (Method.BANK_CARD, {"card_bin": "62220"}),
            (Method.BANK_CARD, {"card_bin": "622202123"}),
            (Method.BANK_CARD, {"card_bin": "6222o2"}),
            (Method.BANK_CARD, {"card_bin": "٦٢٢٢٠٢"}),
            (Method.BANK_CARD, {"card_bin": ""}),
            (Method.BANK_CARD, {"card_bin": "622202", "card_token": "tok_success"}),
        ],
    )
    def test_what_is_no_beginning_of_a_card_is_refused(
        self, cards: Channels, method: Method, options: dict[str, str]
    ):
        trade = make_trade()
        before = trade.footprint()
        with pytest.raises(InvalidRequest) as refused:
            trade.pay(method, **options)
        assert refused.value.errors[0].field == "options.card_bin"
        assert trade.footprint() == before
        assert [channel.calls for channel in cards] == [[], []]
