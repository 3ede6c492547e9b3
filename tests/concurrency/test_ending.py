"""Closing and expiring against a success: one winner, and the money agrees with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from acquiring.services.closing import expire_due_orders
from engine.services.inquiries import query_attempt
from tests.barrier import Racers, failures, racers
from tests.clock import VirtualClock
from tests.concurrency.conftest import Rounds
from tests.concurrency.institution import WordKeeper
from tests.concurrency.sides import close_of, pay_at
from tests.trading import Trade, make_identity, make_trade, rows

pytestmark = pytest.mark.no_cover  # hundreds of rounds over what other tests measure already
_AT_ONCE = 5
_MOMENTS = ("at once", "query", "close")
"""When the payer pays, as seen from the platform's side of the race."""


def inquiry_of(trade: Trade) -> Callable[[], object]:
    """The janitor's side."""
    (attempt,) = trade.attempts()
    return lambda: query_attempt(attempt_no=attempt["attempt_no"])


def check_end(trade: Trade, keeper: WordKeeper, closed_by: str) -> bool:
    """One winner: order, payment, attempt, journal, event and the institution all tell the same story."""
    (attempt,) = trade.attempts()
    (payment,) = trade.payments()
    order = trade.order()
    charged = keeper.was_charged(attempt["attempt_no"])
    journals = rows(
        "SELECT 1 FROM ledger_journal WHERE event_type = 'payment_paid' AND event_id = %s",
        payment["payment_no"],
    )
    story = (order["status"], payment["status"], attempt["status"], len(journals))
    if charged:
        assert story == ("SUCCESS", "PAID", "SUCCEEDED", 1)
        assert trade.event_types() == ["order.success"]
        assert trade.moves() == [("", "INIT"), ("INIT", "PAYING"), ("PAYING", "SUCCESS")]
    else:
        assert story == ("CLOSED", "FAILED", "CLOSED", 0)
        assert order["close_reason"] == closed_by
        assert trade.event_types() == ["order.closed"]
        assert trade.moves() == [("", "INIT"), ("INIT", "PAYING"), ("PAYING", "CLOSED")]
    assert trade.late_money() == []
    return charged


@pytest.fixture(scope="module")
def racing() -> Iterator[Racers]:
    """Threads for all rounds."""
    with racers(_AT_ONCE * 2 + 2) as made:
        yield made


def test_close_against_success_has_one_winner(rounds: Rounds, keeper: WordKeeper, racing: Racers):
    merchant = make_identity()
    charged = 0
    for number in range(0, rounds.count, _AT_ONCE):
        dice = rounds.random_of(number)
        trades = [make_trade(merchant=merchant) for _ in range(_AT_ONCE)]
        for trade in trades:
            trade.pay()

        outcomes = racing.run(
            [pay_at(dice.choice(_MOMENTS), trade, keeper) for trade in trades]
            + [close_of(trade) for trade in trades]
            + [inquiry_of(trade) for trade in dice.sample(trades, 2)]
        )

        assert failures(outcomes) == [], rounds
        charged += sum(check_end(trade, keeper, "MERCHANT") for trade in trades)
    assert trades[0].merchant_balance() == charged * 10_00
    assert 0 < charged < rounds.count, f"{rounds}: one side always won; nothing was raced"


def test_expiry_against_success_has_one_winner(
    rounds: Rounds, keeper: WordKeeper, clock: VirtualClock, racing: Racers
):
    merchant = make_identity()
    charged = 0
    for number in range(0, rounds.count, _AT_ONCE):
        dice = rounds.random_of(number)
        trades = [make_trade(merchant=merchant, expires_in=60) for _ in range(_AT_ONCE)]
        for trade in trades:
            trade.pay()
        clock.advance(61)

        outcomes = racing.run(
            [pay_at(dice.choice(_MOMENTS), trade, keeper) for trade in trades]
            + [expire_due_orders, expire_due_orders]
        )

        assert failures(outcomes) == [], rounds
        charged += sum(check_end(trade, keeper, "EXPIRED") for trade in trades)
    assert trades[0].merchant_balance() == charged * 10_00
    assert 0 < charged < rounds.count, f"{rounds}: one side always won; nothing was raced"
