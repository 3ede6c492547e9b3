"""Orders beside payments, journals and events: what is missing on either side is named, and nothing is repaired."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command

from paymentplatform.console.order_reconciliation import ORDER_CHECKS
from paymentplatform.console.selectors import find_order_differences
from paymentplatform.kernel import numbers
from tests.console import trades

PLANTED = [
    (
        "payment missing",
        "UPDATE acquiring_trade_order SET payment_no = 'pay_x' WHERE order_no = '{trade.order}'",
    ),
    (
        "payment PAID over 999 CNY",
        "UPDATE engine_payment_order SET amount = 999 WHERE payment_no = '{trade.payment}'",
    ),
    (
        "order CLOSED over 1000 CNY, payment PAID",
        "UPDATE acquiring_trade_order SET status = 'CLOSED' WHERE order_no = '{trade.order}'",
    ),
    (
        "the order goes by pay_x",
        "UPDATE acquiring_trade_order SET payment_no = 'pay_x' WHERE order_no = '{trade.order}'",
    ),
    (
        "fee 6; journal missing",
        "UPDATE ledger_journal SET event_id = 'pay_x' WHERE event_id = '{trade.payment}'",
    ),
    (
        "fee 7; journal jnl_",
        "UPDATE engine_payment_order SET fee_amount = 7 WHERE payment_no = '{trade.payment}'",
    ),
    (
        "FAILED over 1000 CNY, fee 6; journal jnl_",
        "UPDATE engine_payment_order SET status = 'FAILED' WHERE payment_no = '{trade.payment}'",
    ),
    (
        "without event order.success",
        "UPDATE acquiring_merchant_event SET object_no = 'ord_x' WHERE object_no = '{trade.order}'",
    ),
    (
        "order.closed of ord_",
        "UPDATE acquiring_merchant_event SET type = 'order.closed' WHERE object_no = '{trade.order}'",
    ),
    (
        "has no delivery",
        "DELETE FROM acquiring_delivery WHERE merchant_no = '{trade.merchant[merchant_no]}'",
    ),
]
ORPHANS = [
    (
        "names order ord_x, which does not exist",
        "UPDATE engine_payment_order SET order_no = 'ord_x' WHERE payment_no = '{trade.payment}'",
    ),
    (
        "is posted for payment pay_x, which does not exist",
        "UPDATE ledger_journal SET event_id = 'pay_x' WHERE event_id = '{trade.payment}'",
    ),
    (
        "order.success of ord_x, which is nowhere",
        "UPDATE acquiring_merchant_event SET object_no = 'ord_x' WHERE object_no = '{trade.order}'",
    ),
]


@pytest.fixture(scope="module")
def trade(unit_database: str) -> trades.Trade:
    return trades.paid_by_balance()


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("reconcile_orders", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize("planting", PLANTED, ids=[problem for problem, _ in PLANTED])
def test_a_difference_of_an_order_is_found_under_its_number(planted, trade, planting):
    problem, statement = planting
    with planted(statement.format(trade=trade)) as connection:
        rows = [row for check in ORDER_CHECKS for row in connection.execute(check)]
    assert any(order_no == trade.order and problem in text for order_no, _, text in rows), rows


@pytest.mark.parametrize("planting", ORPHANS, ids=[problem for problem, _ in ORPHANS])
def test_what_no_order_owns_is_found(planted, trade, planting):
    problem, statement = planting
    with planted(statement.format(trade=trade)) as connection:
        rows = [row for check in ORDER_CHECKS for row in connection.execute(check)]
    assert any(problem in text for _, _, text in rows), rows


def test_trades_in_order_do_not_differ(trade):
    made = [trades.paid_by_channel(), trades.paying(), trades.closed(), trades.paid_too_late()]
    for one in [trade, *made]:
        assert find_order_differences(order_no=one.order) == []
    assert run("--json", "--order", trade.order) == (
        0,
        json.dumps({"ok": True, "order": trade.order, "differences": []}) + "\n",
    )
    assert "agree" in run("--order", trade.order)[1]


def test_differences_end_with_1_and_are_not_repaired(owner_connection, trade):
    broken = trades.placed().order
    undone = numbers.new_number("tst")
    insert = (
        "INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload) "
        "VALUES (%s, %s, 'order.closed', %s, '')"
    )
    delete = (
        "ALTER TABLE acquiring_merchant_event DISABLE TRIGGER USER;"
        f"DELETE FROM acquiring_merchant_event WHERE event_id = '{undone}';"
        "ALTER TABLE acquiring_merchant_event ENABLE TRIGGER USER"
    )
    owner_connection.execute(insert, [undone, trade.merchant["merchant_no"], broken])
    try:
        code, text = run("--json", "--order", broken)
        assert code == 1
        assert {row["subject"] for row in json.loads(text)["differences"]} == {undone}
        assert run("--json", "--order", broken) == (code, text)
        assert undone in run("--order", broken)[1].replace("\n", "")
    finally:
        owner_connection.execute(delete)
    assert find_order_differences(order_no=broken) == []


def test_a_number_that_is_none_is_wrong_use():
    code, text = run("--json", "--order", "17")
    assert (code, json.loads(text)["error"]["code"]) == (2, "invalid_request")
