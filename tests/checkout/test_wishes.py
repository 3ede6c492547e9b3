"""A wish to pay that cannot be met leaves the live payment, which it would have replaced, as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from acquiring.contracts import Method, PayerTokenInvalid
from checkout.contracts import MethodUnavailable, PayOptions
from checkout.services.acceptance import pay_order
from checkout.services.wishes import PayCommand
from engine.channels.base import Capability, ChannelAnswer, Outcome
from engine.channels.registry import forget_channels
from engine.contracts import CardTokenInvalid
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from tests.engine.scripted import FIRST_CHANNEL, ScriptedChannel
from tests.makers import make_payer, make_payer_token
from tests.trading import Trade, make_identity, make_trade

_EVERYTHING = frozenset(Capability)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedChannel]:
    """A channel that can everything and holds every payment PENDING."""
    FIRST_CHANNEL.forget()
    monkeypatch.setattr(FIRST_CHANNEL, "capabilities", _EVERYTHING)
    FIRST_CHANNEL.pay_answers += [ChannelAnswer(outcome=Outcome.PENDING)] * 3
    FIRST_CHANNEL.query_answers += [ChannelAnswer(outcome=Outcome.PENDING)] * 3
    FIRST_CHANNEL.close_answers += [ChannelAnswer(outcome=Outcome.CLOSED)] * 3
    with override_settings(CHANNELS=["tests.engine.scripted.FIRST"]):
        forget_channels()
        yield FIRST_CHANNEL
    forget_channels()


def wish(trade: Trade, method: Method = Method.QR_CODE, **asked: Any) -> None:
    options = {name: asked.pop(name) for name in list(asked) if name.endswith(("_code", "_token"))}
    pay_order(
        PayCommand(
            order_no=trade.order_no,
            method=method,
            options=PayOptions(**options),
            cause="api",
            key_id=trade.merchant.key_id,
            **asked,
        )
    )


def check_untouched(
    trade: Trade, channel: ScriptedChannel, refusal: type[DomainError], **asked: Any
) -> None:
    before, calls = trade.footprint(), list(channel.calls)
    with pytest.raises(refusal):
        wish(trade, **asked)
    assert trade.footprint() == before
    assert channel.calls == calls


@pytest.mark.parametrize(
    ("refusal", "asked"),
    [
        (InvalidRequest, {"bank_code": "CMB"}),
        (InvalidRequest, {"method": Method.NET_BANKING, "bank_code": "XYZ"}),
        (InvalidRequest, {"method": Method.WALLET, "wallet_code": "NOPE"}),
        (InvalidRequest, {"method": Method.BALANCE}),
        (InvalidRequest, {"use_balance": True}),
        (PayerTokenInvalid, {"method": Method.BALANCE, "payer_token": "pt_nope"}),
        (PayerTokenInvalid, {"balance_amount": 9, "payer_token": "pt_nope"}),
        (
            CardTokenInvalid,
            {"method": Method.BANK_CARD, "card_token": "crd_01k0000000000000000000"},
        ),
    ],
)
def test_a_refused_wish_leaves_the_live_payment(
    channel: ScriptedChannel, refusal: type[DomainError], asked: dict[str, Any]
):
    trade = make_trade()
    assert trade.pay().status == "PAYING"
    check_untouched(trade, channel, refusal, **asked)


def test_so_does_a_method_that_the_order_does_not_allow(channel: ScriptedChannel):
    trade = make_trade(allowed_methods=["QR_CODE"])
    trade.pay()
    check_untouched(trade, channel, MethodUnavailable, method=Method.NET_BANKING)


@pytest.mark.parametrize(
    ("limits", "amount"), [({"max_per_payment": 4_00}, 5_00), ({"max_per_day": 4_00}, 5_00)]
)
def test_so_does_more_than_the_agreement_allows(
    channel: ScriptedChannel, limits: dict[str, int], amount: int
):
    merchant = make_identity()
    token = make_payer_token(
        payer_no=make_payer(balance=100_00), merchant_no=merchant.merchant_no, **limits
    )
    trade = make_trade(merchant=merchant)
    assert trade.pay_combined(payer_token=token, balance_amount=3_00).status == "PAYING"
    check_untouched(trade, channel, PayerTokenInvalid, balance_amount=amount, payer_token=token)


def test_what_the_live_payment_takes_of_the_day_is_room_for_the_next(channel: ScriptedChannel):
    merchant = make_identity()
    token = make_payer_token(
        payer_no=make_payer(balance=100_00), merchant_no=merchant.merchant_no, max_per_day=4_00
    )
    trade = make_trade(merchant=merchant)
    assert trade.pay_combined(payer_token=token, balance_amount=3_00).status == "PAYING"
    assert trade.pay_combined(payer_token=token, balance_amount=4_00).status == "PAYING"
    assert sorted(row["status"] for row in trade.holds()) == ["OPEN", "RELEASED"]
