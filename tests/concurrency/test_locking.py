"""Locks are taken from the top of the house down: order, payment, detail, attempt, ledger."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.test import override_settings

from acquiring.contracts import CloseReason
from acquiring.services.closing import close_order
from engine.channels.base import ChannelAnswer, Outcome
from engine.channels.registry import forget_channels
from engine.contracts import Cause
from engine.services.late_money_settling import _send_back_when_due
from engine.services.outcomes import apply_attempt_outcome, fold_answer
from engine.services.refund_outcomes import apply_refund_outcome, fold_refund_answer
from tests.concurrency.institution import REFUNDER, WordKeeper
from tests.makers import make_payer
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_trade
from tests.waiting import wait_until

_FLOORS = (
    "acquiring_trade_order",
    "engine_payment_order",
    "engine_payment_detail",
    "engine_channel_attempt",
    "engine_refund",
    "engine_late_money",
)
_NAMES_ITS_ORDER = {
    "engine_payment_detail": "payment_id IN (SELECT payment_no FROM engine_payment_order WHERE order_no = %s)"
}
Move = Callable[[], object]


@pytest.fixture
def keeper() -> Iterator[WordKeeper]:
    """Make an institution that also refunds the only channel."""
    with override_settings(CHANNELS=["tests.concurrency.institution.REFUNDER"]):
        forget_channels()
        yield REFUNDER
    forget_channels()


def answer_of(trade: Trade, *, amount: int = 10_00) -> ChannelAnswer:
    """The institution says that it has charged the trade's only attempt."""
    (attempt,) = trade.attempts()
    return ChannelAnswer(
        outcome=Outcome.SUCCEEDED,
        channel_trade_no=f"t-{attempt['attempt_no']}",
        amount=amount,
        currency="CNY",
    )


def success_of(trade: Trade) -> Move:
    """Apply the institution's success to the trade's attempt."""
    (attempt,), answer = trade.attempts(), answer_of(trade)
    return lambda: apply_attempt_outcome(
        attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
    )


def success() -> tuple[Trade, Move]:
    """A payment succeeds."""
    trade = make_trade()
    trade.pay()
    return trade, success_of(trade)


def folded_success() -> tuple[Trade, Move]:
    """The same, row by row: what one call of the database does shows no statements."""
    trade = make_trade()
    trade.pay()
    (attempt,), answer = trade.attempts(), answer_of(trade)
    return trade, lambda: fold_answer(
        attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
    )


def combined_success() -> tuple[Trade, Move]:
    """A payment in part from a balance succeeds: its hold is captured."""
    trade = make_trade()
    trade.pay_combined(payer_no=make_payer(), balance_amount=4_00)
    (attempt,), answer = trade.attempts(), answer_of(trade, amount=6_00)
    return trade, lambda: apply_attempt_outcome(
        attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
    )


def close() -> tuple[Trade, Move]:
    """The merchant closes an order with a live payment."""
    trade = make_trade()
    trade.pay()
    return trade, lambda: close_order(
        order_no=trade.order_no,
        merchant_no=trade.merchant.merchant_no,
        reason=CloseReason.MERCHANT,
        cause="api",
    )


def refund() -> tuple[Trade, Move]:
    """The merchant refunds a paid order."""
    trade, succeed = success()
    succeed()
    return trade, lambda: trade.refund(4_00)


def combined_refund() -> tuple[Trade, Move]:
    """The merchant refunds what was paid in part from a balance."""
    trade, succeed = combined_success()
    succeed()
    return trade, lambda: trade.refund(8_00)


def refund_done() -> tuple[Trade, Move]:
    """The institution says that it has given the money back."""
    trade, give = refund()
    give()
    (row,) = trade.refunds()
    answer = ChannelAnswer(
        outcome=Outcome.SUCCEEDED, channel_trade_no="rf", amount=4_00, currency="CNY"
    )
    return trade, lambda: apply_refund_outcome(
        refund_no=row["refund_no"], answer=answer, cause=Cause.CALLBACK
    )


def folded_refund_done() -> tuple[Trade, Move]:
    """The same, taken row by row."""
    trade, give = refund()
    give()
    (row,) = trade.refunds()
    answer = ChannelAnswer(
        outcome=Outcome.SUCCEEDED, channel_trade_no="rf", amount=4_00, currency="CNY"
    )
    return trade, lambda: fold_refund_answer(
        refund_no=row["refund_no"], answer=answer, cause=Cause.CALLBACK
    )


def late_success() -> tuple[Trade, Move]:
    """Money comes after the close."""
    trade, end = close()
    end()
    return trade, success_of(trade)


def late_settled() -> tuple[Trade, Move]:
    """Late money is sent back when its policy says so."""
    trade, come = late_success()
    come()
    (late,) = trade.late_money()
    return trade, lambda: _send_back_when_due(late_money_no=late["late_money_no"])


def late_refunded() -> tuple[Trade, Move]:
    """The institution has given late money back."""
    trade, settle = late_settled()
    settle()
    (row,) = trade.refunds()
    answer = ChannelAnswer(
        outcome=Outcome.SUCCEEDED, channel_trade_no="rf", amount=10_00, currency="CNY"
    )
    return trade, lambda: apply_refund_outcome(
        refund_no=row["refund_no"], answer=answer, cause=Cause.CALLBACK
    )


MOVES = [
    success,
    folded_success,
    combined_success,
    close,
    refund,
    combined_refund,
    refund_done,
    folded_refund_done,
    late_success,
    late_settled,
    late_refunded,
]
IN_ONE_CALL = [success, refund, refund_done]
"""Their locks stand in functions of the database; row by row they are in the list under another name."""


@pytest.mark.parametrize("prepare", MOVES)
def test_a_money_transaction_waits_at_the_order_holding_nothing_below(
    keeper: WordKeeper, owner_address: str, prepare: Callable[[], tuple[Trade, Move]]
):
    """Two connections: while somebody holds the order, every row below it is still free to lock."""
    trade, run = prepare()
    outcomes: list[object] = []

    def run_elsewhere() -> None:
        try:
            outcomes.append(run())
        except BaseException as error:  # noqa: BLE001 - looked at below
            outcomes.append(error)
        finally:
            connections.close_all()

    with psycopg.connect(owner_address) as holder, psycopg.connect(owner_address) as watcher:
        watcher.autocommit = True
        holder.execute(
            "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE", [trade.order_no]
        )
        thread = threading.Thread(target=run_elsewhere, daemon=True)
        thread.start()
        wait_until(lambda: is_waited_for(holder, watcher), what="the move to wait at the order")
        for table in _FLOORS[1:]:
            condition = _NAMES_ITS_ORDER.get(table, "order_no = %s")
            there = watcher.execute(f"SELECT 1 FROM {table} WHERE {condition}", [trade.order_no])
            locked = holder.execute(
                f"SELECT 1 FROM {table} WHERE {condition} FOR UPDATE NOWAIT", [trade.order_no]
            )
            assert locked.rowcount == there.rowcount
        assert outcomes == []
    thread.join(60)
    assert len(outcomes) == 1
    assert not isinstance(outcomes[0], BaseException), outcomes


def is_waited_for(holder: psycopg.Connection, watcher: psycopg.Connection) -> bool:
    """Tell whether a third session waits for a lock of the holder's."""
    row = watcher.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)))",
        [holder.info.backend_pid],
    ).fetchone()
    return row == (True,)


@pytest.mark.parametrize("prepare", [move for move in MOVES if move not in IN_ONE_CALL])
def test_rows_are_locked_from_the_top_down_and_before_they_are_written(
    keeper: WordKeeper, prepare: Callable[[], tuple[Trade, Move]]
):
    """A missing lock seldom shows in behaviour, so the statements themselves are looked at."""
    _, run = prepare()
    with watching_transactions() as transactions:
        run()

    assert any(transactions)
    for statements in transactions:
        locked: list[str] = []
        for statement in statements:
            table = table_of(statement)
            if table is None:
                continue
            if "FOR UPDATE" in statement and table not in locked:
                locked.append(table)
            if statement.lstrip().upper().startswith("UPDATE"):
                assert table in locked or inserted(table, statements), statement
        assert locked == sorted(locked, key=_FLOORS.index), statements


@contextmanager
def watching_transactions() -> Iterator[list[list[str]]]:
    """Collect the statements of each transaction; single statements outside of any lock only themselves."""
    seen: list[list[str]] = [[]]

    def note(execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
        begins = "FOR UPDATE" in statement and table_of(statement) == _FLOORS[0]
        if begins or not connection.in_atomic_block:
            seen.append([])
        if connection.in_atomic_block:
            seen[-1].append(statement)
        return execute(statement, *rest)

    with connection.execute_wrapper(note):
        yield seen


def inserted(table: str, statements: list[str]) -> bool:
    """Whether the transaction has made the row itself: nobody else can see it."""
    return any(f'INSERT INTO "{table}"' in statement for statement in statements)


def table_of(statement: str) -> str | None:
    """The guarded table that a statement is about; what it does WITH something else comes first."""
    found = re.findall(r'(?:FROM|^\s*UPDATE)\s+"?(\w+)"?', statement)
    if statement.lstrip().startswith("WITH"):
        found = [name for name in found if name in _FLOORS]
    return found[0] if found and found[0] in _FLOORS else None


def test_two_trades_in_opposite_order_do_not_wait_for_each_other(keeper: WordKeeper):
    """A money transaction locks one trade only: no circle of two trades can form."""
    first, second = make_trade(), make_trade()
    first.pay()
    second.pay()
    with counting_round_trips() as seen:
        success_of(first)()
    assert not any(second.order_no in statement for statement in seen.statements)
    success_of(second)()
    assert connection.get_autocommit()
