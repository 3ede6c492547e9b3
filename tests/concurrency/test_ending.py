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
from tests.concurrency.sides import charge_at, close_of
from tests.trading import Trade, make_identity, make_trade, rows

pytestmark = pytest.mark.no_cover  # hundreds of rounds over what other tests measure already
_AT_ONCE = 5
_MOMENTS = ("at once", "query", "close")
"""When the payer pays, as seen from the platform's side of the race."""


_ENDS = """
    SELECT a.attempt_no, o.status AS order_status, o.close_reason,
           p.status AS payment_status, a.status AS attempt_status,
           (SELECT count(*) FROM ledger_journal j
             WHERE j.event_type = 'payment_paid' AND j.event_id = p.payment_no) AS journals,
           ARRAY(SELECT e.type FROM acquiring_merchant_event e
                  WHERE e.object_no = o.order_no ORDER BY e.event_id) AS events,
           ARRAY(SELECT t.from_status || '>' || t.to_status FROM acquiring_transition t
                  WHERE t.object_no = o.order_no ORDER BY t.id) AS moves,
           (SELECT count(*) FROM engine_late_money l WHERE l.order_no = o.order_no) AS late
      FROM acquiring_trade_order o
      JOIN engine_payment_order p ON p.order_no = o.order_no
      JOIN engine_channel_attempt a ON a.order_no = o.order_no
     WHERE o.order_no = ANY(%s)"""


def inquiry_of(attempt_no: str) -> Callable[[], object]:
    """The janitor's side."""
    return lambda: query_attempt(attempt_no=attempt_no)


def attempts_of(trades: list[Trade]) -> list[str]:
    """The one attempt of each trade, in their order."""
    found = rows(
        "SELECT order_no, attempt_no FROM engine_channel_attempt WHERE order_no = ANY(%s)",
        [trade.order_no for trade in trades],
    )
    by_order = {row["order_no"]: row["attempt_no"] for row in found}
    assert len(by_order) == len(found) == len(trades)
    return [by_order[trade.order_no] for trade in trades]


def check_ends(trades: list[Trade], keeper: WordKeeper, closed_by: str) -> int:
    """One winner each: order, payment, attempt, journal, event and the institution all tell the same story.

    Returns how many were charged.
    """
    ends, charges = rows(_ENDS, [trade.order_no for trade in trades]), 0
    assert len(ends) == len(trades), "one payment and one attempt each"
    for end in ends:
        charged = keeper.was_charged(end["attempt_no"])
        story = (end["order_status"], end["payment_status"], end["attempt_status"], end["journals"])
        if charged:
            assert story == ("SUCCESS", "PAID", "SUCCEEDED", 1)
            assert end["events"] == ["order.success"]
            assert end["moves"] == [">INIT", "INIT>PAYING", "PAYING>SUCCESS"]
        else:
            assert story == ("CLOSED", "FAILED", "CLOSED", 0)
            assert end["close_reason"] == closed_by
            assert end["events"] == ["order.closed"]
            assert end["moves"] == [">INIT", "INIT>PAYING", "PAYING>CLOSED"]
        assert end["late"] == 0
        charges += charged
    return charges


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
        attempts = attempts_of(trades)

        outcomes = racing.run(
            [charge_at(dice.choice(_MOMENTS), attempt, keeper) for attempt in attempts]
            + [close_of(trade) for trade in trades]
            + [inquiry_of(attempt) for attempt in dice.sample(attempts, 2)]
        )

        assert failures(outcomes) == [], rounds
        charged += check_ends(trades, keeper, "MERCHANT")
    assert trades[0].merchant_balance() == charged * 10_00
    assert 0 < charged < rounds.count, f"{rounds}: one side always won; nothing was raced"


def expire_all() -> None:
    """Run the sweep until nothing is due: what other tests have left is older than what is raced for."""
    while expire_due_orders():
        pass


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
        attempts = attempts_of(trades)
        clock.advance(61)

        outcomes = racing.run(
            [charge_at(dice.choice(_MOMENTS), attempt, keeper) for attempt in attempts]
            + [expire_all, expire_all]
        )

        assert failures(outcomes) == [], rounds
        charged += check_ends(trades, keeper, "EXPIRED")
    assert trades[0].merchant_balance() == charged * 10_00
    assert 0 < charged < rounds.count, f"{rounds}: one side always won; nothing was raced"
