"""Locks are taken from the top of the house down: order, payment, detail, attempt, ledger."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection, connections

from acquiring.contracts import CloseReason
from acquiring.services.closing import close_order
from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.concurrency.institution import WordKeeper
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_trade
from tests.waiting import wait_until

_FLOORS = (
    "acquiring_trade_order",
    "engine_payment_order",
    "engine_payment_detail",
    "engine_channel_attempt",
)


def success_of(trade: Trade) -> Callable[[], object]:
    """Apply the institution's success to the trade's attempt."""
    (attempt,) = trade.attempts()
    answer = ChannelAnswer(
        outcome=Outcome.SUCCEEDED,
        channel_trade_no=f"t-{attempt['attempt_no']}",
        amount=10_00,
        currency="CNY",
    )
    return lambda: apply_attempt_outcome(
        attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
    )


def close_of(trade: Trade) -> Callable[[], object]:
    """Close the trade's order as its merchant."""
    return lambda: close_order(
        order_no=trade.order_no,
        merchant_no=trade.merchant.merchant_no,
        reason=CloseReason.MERCHANT,
        cause="api",
    )


every_money_move = pytest.mark.parametrize("move", [success_of, close_of])


@every_money_move
def test_a_money_transaction_waits_at_the_order_holding_nothing_below(
    keeper: WordKeeper, owner_address: str, move: Callable[[Trade], Callable[[], object]]
):
    """Two connections: while somebody holds the order, every row below it is still free to lock."""
    trade = make_trade()
    trade.pay()
    run, done = move(trade), threading.Event()

    def run_elsewhere() -> None:
        try:
            run()
        finally:
            connections.close_all()
            done.set()

    with psycopg.connect(owner_address) as holder, psycopg.connect(owner_address) as watcher:
        watcher.autocommit = True
        holder.execute(
            "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE", [trade.order_no]
        )
        thread = threading.Thread(target=run_elsewhere, daemon=True)
        thread.start()
        wait_until(lambda: is_waited_for(holder, watcher), what="the move to wait at the order")
        for table in _FLOORS[1:]:
            condition = (
                "payment_id IN (SELECT payment_no FROM engine_payment_order WHERE order_no = %s)"
                if table == "engine_payment_detail"
                else "order_no = %s"
            )
            locked = holder.execute(
                f"SELECT 1 FROM {table} WHERE {condition} FOR UPDATE NOWAIT", [trade.order_no]
            )
            assert locked.rowcount >= 1
        assert not done.is_set()
    assert done.wait(10)
    assert trade.order()["status"] in {"SUCCESS", "CLOSED"}


def is_waited_for(holder: psycopg.Connection, watcher: psycopg.Connection) -> bool:
    """Tell whether a third session waits for a lock of the holder's."""
    row = watcher.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)))",
        [holder.info.backend_pid],
    ).fetchone()
    return row == (True,)


@every_money_move
def test_rows_are_locked_from_the_top_down_and_before_they_are_written(
    keeper: WordKeeper, move: Callable[[Trade], Callable[[], object]]
):
    """A missing lock seldom shows in behaviour, so the statements themselves are looked at."""
    trade = make_trade()
    trade.pay()
    run = move(trade)
    with counting_round_trips() as seen:
        run()

    for statements in transactions_of(seen.statements):
        locked: list[str] = []
        for statement in statements:
            table = table_of(statement)
            if table is None:
                continue
            if "FOR UPDATE" in statement and table not in locked:
                locked.append(table)
            if statement.lstrip().upper().startswith("UPDATE"):
                assert table in locked or len(statements) == 1, statement
        assert locked == sorted(locked, key=_FLOORS.index), statements


def transactions_of(statements: list[str]) -> list[list[str]]:
    """Cut a list of statements where a new transaction locks the order again."""
    cut: list[list[str]] = [[]]
    for statement in statements:
        if "FOR UPDATE" in statement and table_of(statement) == _FLOORS[0]:
            cut.append([])
        cut[-1].append(statement)
    return cut


def table_of(statement: str) -> str | None:
    """The guarded table that a statement is about."""
    found = re.search(r'(?:FROM|UPDATE)\s+"?(\w+)"?', statement)
    return found[1] if found and found[1] in _FLOORS else None


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
