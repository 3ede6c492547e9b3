"""Saved cards on our side: kept for one payer of one merchant, paid with by number, encrypted, removed at once."""

from __future__ import annotations

import json
import secrets
from importlib import import_module

import msgspec
import psycopg
import pytest
from django.db import connections

from acquiring.contracts import MerchantIdentity, Method
from checkout.contracts import PayResult
from engine.channels.base import (
    Capability,
    ChannelAnswer,
    Outcome,
    PayRequest,
    SavedCardData,
)
from engine.contracts import CardTokenInvalid, Cause
from engine.services.outcomes import apply_attempt_outcome
from engine.services.saved_cards import (
    list_saved_cards,
    name_card_owner,
    open_options,
    remove_saved_card,
)
from engine.services.submission import submit_attempt
from paymentplatform.kernel import numbers
from paymentplatform.kernel.encryption import decrypt_text
from paymentplatform.kernel.errors import NotFound
from tests.barrier import run_together
from tests.engine.scripted import ScriptedChannel
from tests.trading import Trade, make_identity, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]
TOKEN = "tok_saved_secret_of_the_channel"
UNKNOWN = ChannelAnswer(Outcome.UNKNOWN)


@pytest.fixture
def cards(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> Channels:
    """The scripted channels, both taking bank cards."""
    for channel in channels:
        monkeypatch.setattr(
            channel, "capabilities", frozenset({Capability.BANK_CARD, Capability.CLOSE})
        )
    return channels


@pytest.fixture
def asked(cards: Channels, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, PayRequest]]:
    """Every pay call that reached a channel."""
    calls: list[tuple[str, PayRequest]] = []
    for channel in cards:

        def note(request: PayRequest, channel: ScriptedChannel = channel) -> ChannelAnswer:
            calls.append((channel.code, request))
            return channel.pay_answers.pop(0) if channel.pay_answers else UNKNOWN

        monkeypatch.setattr(channel, "pay", note)
    return calls


def _success(last4: str = "4242", token: str = TOKEN) -> ChannelAnswer:
    return ChannelAnswer(
        Outcome.SUCCEEDED,
        channel_trade_no=f"ch-{secrets.token_hex(6)}",
        amount=10_00,
        currency="CNY",
        saved_card=SavedCardData(token=token, brand="VISA", last4=last4),
    )


def _save(cards: Channels, *, channel: int = 0, payer_ref: str | None = "anna", **changes) -> Trade:
    """A trade paid with a card that its payer ticked to be saved."""
    for before in cards[:channel]:
        before.pay_answers.append(ChannelAnswer(Outcome.NOT_SENT))
    cards[channel].pay_answers.append(_success(**changes.pop("card", {})))
    trade = make_trade(payer_ref=payer_ref, **changes)
    assert trade.pay(Method.BANK_CARD).status == "PAID"
    return trade


def _cards_of(trade: Trade, payer_ref: str | None = "anna"):
    return list_saved_cards(merchant_no=trade.merchant.merchant_no, payer_ref=payer_ref)


def _stored(merchant: MerchantIdentity):
    return rows(
        "SELECT * FROM engine_saved_card WHERE merchant_no = %s ORDER BY card_no",
        merchant.merchant_no,
    )


def _pay_again(trade: Trade, card_no: str, payer_ref: str | None = "anna") -> PayResult:
    again = make_trade(merchant=trade.merchant, payer_ref=payer_ref)
    return again.pay(Method.BANK_CARD, card_token=card_no)


class TestSaving:
    def test_a_ticked_card_is_kept_encrypted(self, cards: Channels):
        trade = _save(cards)
        (card,) = _cards_of(trade)
        assert (card.brand, card.last4) == ("VISA", "4242")
        assert card.card_no.startswith("crd_")
        (stored,) = _stored(trade.merchant)
        assert TOKEN not in str(stored)
        assert decrypt_text(stored["token"]) == TOKEN
        (attempt,) = trade.attempts()
        assert TOKEN not in str(attempt)

    def test_without_payer_ref_or_without_a_tick_nothing_is_kept(self, cards: Channels):
        trade = _save(cards, payer_ref=None)
        assert _stored(trade.merchant) == []
        assert _cards_of(trade, None) == ()
        cards[0].pay_answers.append(
            ChannelAnswer(Outcome.SUCCEEDED, secrets.token_hex(6), 10_00, "CNY")
        )
        plain = make_trade(payer_ref="anna")
        plain.pay(Method.BANK_CARD)
        assert plain.order()["status"] == "SUCCESS"
        assert _stored(plain.merchant) == []

    @pytest.mark.parametrize(
        "card", [{"last4": "4\x00"}, {"last4": "42424"}, {"last4": ""}, {"token": "tok_\ud800"}]
    )
    def test_a_card_that_cannot_be_stored_loses_no_money(
        self, cards: Channels, card: dict[str, str]
    ):
        trade = _save(cards, card=card)
        assert trade.merchant_balance() == 10_00
        assert _stored(trade.merchant) == []

    def test_the_same_card_is_kept_once(self, cards: Channels):
        trade = _save(cards)
        _save(cards, merchant=trade.merchant)
        assert len(_stored(trade.merchant)) == 1
        _save(cards, merchant=trade.merchant, card={"token": "tok_saved_another", "last4": "0002"})
        assert [card.last4 for card in _cards_of(trade)] == ["0002", "4242"]

    def test_two_answers_at_once_keep_one(self, cards: Channels):
        for _ in range(5):
            merchant = make_identity()
            answers = []
            for _trade in range(2):
                trade = make_trade(merchant=merchant, payer_ref="anna")
                trade.pay(Method.BANK_CARD)
                answers.append((trade.attempts()[0]["attempt_no"], _success()))
            run_together(
                [
                    lambda number=number, answer=answer: apply_attempt_outcome(
                        attempt_no=number, answer=answer, cause=Cause.CALLBACK
                    )
                    for number, answer in answers
                ]
            )
            assert len(_stored(merchant)) == 1

    def test_it_is_listed_for_its_payer_at_its_merchant_alone(self, cards: Channels):
        trade, other = _save(cards), _save(cards, payer_ref="ben")
        assert len(_cards_of(trade)) == 1
        assert _cards_of(trade, "ben") == ()
        assert _cards_of(other, "anna") == ()

    def test_a_card_whose_channel_is_gone_is_not_offered(
        self, cards: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        trade = _save(cards, channel=1)
        assert len(_cards_of(trade)) == 1
        monkeypatch.setattr(cards[1], "capabilities", frozenset({Capability.QR_CODE}))
        assert _cards_of(trade) == ()


class TestPaying:
    def test_it_goes_to_its_own_channel_with_the_channels_token(
        self, cards: Channels, asked: list[tuple[str, PayRequest]]
    ):
        trade = _save(cards, channel=1)
        (card,) = _cards_of(trade)
        asked.clear()
        again = make_trade(merchant=trade.merchant, payer_ref="anna")
        assert again.pay(Method.BANK_CARD, card_token=card.card_no).status == "PAYING"
        ((code, request),) = asked
        assert (code, request.options["card_token"]) == ("scripted2", TOKEN)
        owner = name_card_owner(merchant_no=trade.merchant.merchant_no, payer_ref="anna")
        assert request.card_owner == owner
        assert "anna" not in owner
        assert request.payee == trade.merchant.name
        (payment,) = again.payments()
        assert TOKEN not in str(payment)
        assert payment["candidates"] in ([], "[]")

    def test_a_channels_own_token_goes_through_as_it_is(
        self, cards: Channels, asked: list[tuple[str, PayRequest]]
    ):
        trade = make_trade()
        trade.pay(Method.BANK_CARD, card_token="tok_anything")
        ((code, request),) = asked
        assert (code, request.options) == ("scripted", {"card_token": "tok_anything"})
        assert request.card_owner is None
        (payment,) = trade.payments()
        assert "tok_anything" not in str(payment)

    def test_tokens_of_an_earlier_release_are_sealed_or_forgotten_once(
        self, cards: Channels, owner_connection: psycopg.Connection
    ):
        live, ended, saved = make_trade(), make_trade(), make_trade()
        clear = {"options": {"card_token": "tok_of_old", "other": "x"}, "subject": "Tea"}
        number = numbers.new_number(numbers.CARD)
        for trade, context in (
            (live, clear),
            (ended, clear),
            (saved, {"options": {"card_token": number}}),
        ):
            if trade is ended:
                cards[0].pay_answers.append(_success())
            trade.pay(Method.BANK_CARD, card_token="tok_anything")
            owner_connection.execute(
                "UPDATE engine_payment_order SET context = %s WHERE order_no = %s",
                [json.dumps(context), trade.order_no],
            )
        assert ended.payments()[0]["live_order_no"] is None
        migration = import_module("engine.migrations.0013_sealed_card_tokens")
        seen = []
        for _again in range(2):
            with connections["owner"].schema_editor(atomic=False) as editor:
                migration.seal_card_tokens(None, editor)
            seen.append(
                [msgspec.json.decode(one.payments()[0]["context"]) for one in (live, ended, saved)]
            )
        assert seen[0] == seen[1]
        kept, forgotten, untouched = seen[0]
        assert "tok_of_old" not in str(kept)
        assert open_options(kept["options"]) == {"card_token": "tok_of_old", "other": "x"}
        assert forgotten == {"options": {"other": "x"}, "subject": "Tea"}
        assert untouched == {"options": {"card_token": number}}

    @pytest.mark.parametrize("who", ["another payer", "no payer", "another merchant", "removed"])
    def test_anybody_else_is_refused_and_nothing_happens(
        self, cards: Channels, asked: list[tuple[str, PayRequest]], who: str
    ):
        trade = _save(cards)
        (card,) = _cards_of(trade)
        merchant = make_identity() if who == "another merchant" else trade.merchant
        payer_ref = {"another payer": "ben", "no payer": None}.get(who, "anna")
        if who == "removed":
            remove_saved_card(card_no=card.card_no, merchant_no=trade.merchant.merchant_no)
        again = make_trade(merchant=merchant, payer_ref=payer_ref)
        asked.clear()
        before = again.footprint()
        with pytest.raises(CardTokenInvalid):
            again.pay(Method.BANK_CARD, card_token=card.card_no)
        assert again.footprint() == before
        assert asked == []

    def test_a_card_that_was_never_made_is_refused(self, cards: Channels):
        trade = make_trade(payer_ref="anna")
        before = trade.footprint()
        with pytest.raises(CardTokenInvalid):
            trade.pay(Method.BANK_CARD, card_token="crd_0123456789abcdefghjkmn")
        assert trade.footprint() == before

    def test_one_removed_between_acceptance_and_sending_is_not_charged(
        self,
        cards: Channels,
        asked: list[tuple[str, PayRequest]],
        monkeypatch: pytest.MonkeyPatch,
    ):
        trade = _save(cards)
        (card,) = _cards_of(trade)
        asked.clear()
        monkeypatch.setattr("engine.services.submission.submit_attempt", lambda **_: None)
        again = make_trade(merchant=trade.merchant, payer_ref="anna")
        again.pay(Method.BANK_CARD, card_token=card.card_no)
        remove_saved_card(card_no=card.card_no)
        submit_attempt(attempt_no=again.attempts()[0]["attempt_no"])
        assert asked == []
        assert [p["failure_code"] for p in again.payments()] == ["card_removed"]
        assert again.order()["status"] == "INIT"


class TestRemoving:
    def test_is_at_once_and_repeatable_and_the_card_can_be_saved_again(self, cards: Channels):
        trade = _save(cards)
        (card,) = _cards_of(trade)
        for _ in range(2):
            remove_saved_card(card_no=card.card_no)
        assert _cards_of(trade) == ()
        _save(cards, merchant=trade.merchant)
        (new,) = _cards_of(trade)
        assert new.card_no != card.card_no
        assert len(_stored(trade.merchant)) == 2

    def test_is_for_its_merchant_alone(self, cards: Channels):
        trade = _save(cards)
        (card,) = _cards_of(trade)
        before = _stored(trade.merchant)
        for number, merchant_no in ((card.card_no, "mch_other"), ("crd_nobody", None)):
            with pytest.raises(NotFound):
                remove_saved_card(card_no=number, merchant_no=merchant_no)
        assert _stored(trade.merchant) == before
