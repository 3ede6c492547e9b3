"""Whoever keeps the late charge of an order keeps that one alone: its payer is not charged for the order again."""

from __future__ import annotations

import pytest
from django.db import transaction

from acquiring.contracts import OrderClosed
from engine.contracts import (
    Cause,
    HeldDecision,
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyOrderPaying,
    LateMoneyState,
)
from engine.services.late_money_settling import decide_held_late_money, decide_late_money
from engine.services.outcomes import apply_attempt_outcome
from tests.engine.scripted import charged
from tests.engine.test_funnel import DECLINED, PENDING, Channels, new_trade_no
from tests.trading import Trade, make_identity, make_trade

KEPT = 10_00


def asked(channels: Channels) -> Trade:
    """An order whose merchant is asked about late money."""
    assert channels
    return make_trade(
        merchant=make_identity(late_money_policy="ASK", late_money_ask_minutes=60), amount=KEPT
    )


def held(channels: Channels) -> Trade:
    """An order whose late money waits for people."""
    assert channels
    return make_trade(merchant=make_identity(late_money_policy="HOLD"), amount=KEPT)


def keep_by_people(late_money_no: str) -> None:
    with transaction.atomic():
        decide_held_late_money(
            late_money_no=late_money_no, decision=HeldDecision.HONOUR, decided_by="proposal:x"
        )


def take_late_money(channels: Channels, trade: Trade) -> str:
    """Have a payment declined, and charged all the same a moment later: the order is INIT again."""
    channels[0].pay_answers.append(PENDING)
    trade.pay()
    number = trade.attempts()[-1]["attempt_no"]
    known = {late["late_money_no"] for late in trade.late_money()}
    apply_attempt_outcome(attempt_no=number, answer=DECLINED, cause=Cause.CALLBACK)
    money = charged(KEPT, trade_no=new_trade_no())
    apply_attempt_outcome(attempt_no=number, answer=money, cause=Cause.CALLBACK)
    (late,) = {one["late_money_no"] for one in trade.late_money()} - known
    return str(late)


def keep(trade: Trade, late_money_no: str) -> LateMoneyState:
    return decide_late_money(
        late_money_no=late_money_no,
        merchant_no=trade.merchant.merchant_no,
        decision=LateMoneyDecision.HONOUR,
        cause=Cause.API,
    )


def test_an_order_whose_late_money_is_kept_takes_no_more(channels: Channels):
    trade = asked(channels)
    assert keep(trade, take_late_money(channels, trade)).status == "HONOURED"
    assert (trade.order()["status"], trade.order()["close_reason"]) == ("CLOSED", "MERCHANT")
    with pytest.raises(OrderClosed):
        trade.pay()
    assert trade.merchant_balance() <= KEPT


def test_nothing_is_kept_while_the_order_is_being_paid(channels: Channels):
    trade = asked(channels)
    late = take_late_money(channels, trade)
    channels[0].pay_answers.append(PENDING)
    trade.pay()
    before = trade.merchant_balance()
    with pytest.raises(LateMoneyOrderPaying):
        keep(trade, late)
    assert [one["status"] for one in trade.late_money()] == ["OPEN"]
    assert (trade.order()["status"], trade.merchant_balance()) == ("PAYING", before)


def test_of_two_late_charges_one_is_kept(channels: Channels):
    trade = asked(channels)
    first, second = take_late_money(channels, trade), take_late_money(channels, trade)
    keep(trade, first)
    kept = trade.merchant_balance()
    with pytest.raises(LateMoneyNotAsked):
        keep(trade, second)
    assert trade.merchant_balance() == kept <= KEPT
    assert sorted(one["status"] for one in trade.late_money()) == ["HONOURED", "OPEN"]


def test_what_two_people_keep_closes_its_order_too(channels: Channels):
    trade = held(channels)
    late = take_late_money(channels, trade)
    channels[0].pay_answers.append(PENDING)
    trade.pay()
    with pytest.raises(LateMoneyOrderPaying):
        keep_by_people(late)
    assert [one["status"] for one in trade.late_money()] == ["OPEN"]
    assert (trade.order()["status"], trade.merchant_balance()) == ("PAYING", 0)

    number = trade.attempts()[-1]["attempt_no"]
    apply_attempt_outcome(attempt_no=number, answer=DECLINED, cause=Cause.CALLBACK)
    keep_by_people(late)
    assert (trade.order()["status"], trade.order()["close_reason"]) == ("CLOSED", "OPERATOR")
    assert 0 < trade.merchant_balance() <= KEPT
