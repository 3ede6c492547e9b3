"""Callback, sync answer and inquiry about one attempt at once: one effect, whatever they say and in what order."""

from __future__ import annotations

import secrets

import pytest

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.barrier import failures, run_together
from tests.concurrency.conftest import Rounds
from tests.concurrency.institution import WordKeeper
from tests.trading import Trade, balance_of, make_identity, make_trade

_SIDES = (Cause.CALLBACK, Cause.SYNC_ANSWER, Cause.INQUIRY, Cause.CALLBACK)


def answer_from_all_sides(trade: Trade, answers: list[ChannelAnswer]) -> list[str]:
    """Apply the answers at once, one from each side; returns the effects."""
    (attempt,) = trade.attempts()
    outcomes = run_together(
        [
            lambda answer=answer, cause=cause: apply_attempt_outcome(
                attempt_no=attempt["attempt_no"], answer=answer, cause=cause
            )
            for answer, cause in zip(answers, _SIDES, strict=True)
        ]
    )
    assert failures(outcomes) == []
    return [outcome.effect for outcome in outcomes]


def succeeded(trade_no: str) -> ChannelAnswer:
    """The institution has taken 10.00 CNY."""
    return ChannelAnswer(
        outcome=Outcome.SUCCEEDED, channel_trade_no=trade_no, amount=10_00, currency="CNY"
    )


def test_the_same_success_from_all_sides_has_one_effect(keeper: WordKeeper):
    merchant = make_identity()
    for number in range(1, 11):
        trade = make_trade(merchant=merchant)
        trade.pay()

        effects = answer_from_all_sides(trade, [succeeded(f"t-{secrets.token_hex(6)}")] * 4)

        assert sorted(effects) == ["paid"] + ["repeated"] * 3
        assert trade.order()["status"] == "SUCCESS"
        assert trade.event_types() == ["order.success"]
        assert trade.merchant_balance() == number * 10_00


def test_older_states_beside_a_success_never_win(rounds: Rounds, keeper: WordKeeper):
    merchant = make_identity()
    for number in range(10):
        dice = rounds.random_of(number)
        trade = make_trade(merchant=merchant)
        trade.pay()
        answers = [succeeded(f"t-{secrets.token_hex(6)}")] + [
            ChannelAnswer(
                outcome=dice.choice([Outcome.PENDING, Outcome.UNKNOWN, Outcome.NOT_FOUND])
            )
            for _ in range(3)
        ]
        dice.shuffle(answers)

        effects = answer_from_all_sides(trade, answers)

        assert effects.count("paid") == 1, rounds
        assert trade.order()["status"] == "SUCCESS"
        assert [attempt["status"] for attempt in trade.attempts()] == ["SUCCEEDED"]


@pytest.mark.parametrize("other", [Outcome.FAILED, Outcome.CLOSED])
def test_an_institution_that_contradicts_itself_loses_no_money(
    rounds: Rounds, keeper: WordKeeper, other: Outcome
):
    """Either the success came first and stands, or it is late money; in both cases it is in the books once."""
    merchant = make_identity()
    for number in range(10):
        dice = rounds.random_of(number)
        trade = make_trade(merchant=merchant)
        trade.pay()
        before = trade.merchant_balance() + balance_of("L90:wordkeeper:CNY")
        charge = succeeded(f"t-{secrets.token_hex(6)}")
        answers = [charge, charge, ChannelAnswer(outcome=other), ChannelAnswer(outcome=other)]
        dice.shuffle(answers)

        effects = answer_from_all_sides(trade, answers)

        assert effects.count("paid") + len(trade.late_money()) == 1, (rounds, effects)
        assert trade.merchant_balance() + balance_of("L90:wordkeeper:CNY") == before + 10_00
        status = trade.order()["status"]
        assert status == ("SUCCESS" if "paid" in effects else "INIT"), (rounds, effects)
        assert trade.event_types() == (["order.success"] if status == "SUCCESS" else [])
