"""What a waiting page asks: always the database's truth, in one round trip while nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from acquiring.api import close_order
from acquiring.contracts import CloseReason, Method
from checkout.services.cashier import get_status
from engine.api import query_payment_or_order
from engine.channels.base import ChannelAnswer, Outcome, PayerActionData
from paymentplatform.kernel import metrics
from paymentplatform.kernel.errors import NotFound
from tests.checkout.test_acceptance import cashier_token, paying
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.makers import make_merchant, order_body
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_trade, rows

Scripted = tuple[ScriptedChannel, ScriptedChannel]
SCAN = ChannelAnswer(
    outcome=Outcome.PENDING,
    action=PayerActionData(type="qr_code", qr_content="https://bank.example/1"),
)


def ask(trade: Trade) -> dict[str, Any]:
    """What the page of this order is told; other processes' changes come through the same database."""
    answer = Client().get(f"/cashier/{cashier_token(trade)}/status")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def count_lookups(result: str) -> float:
    counted = metrics.CONFIG_CACHE_LOOKUPS.labels("cashier_status", result)
    return float(counted._value.get())


def scan(trade: Trade, channel: ScriptedChannel) -> str:
    """Begin to pay by QR code; returns the payment's number."""
    channel.pay_answers.append(SCAN)
    return trade.pay(Method.QR_CODE).payment_no


def succeed(trade: Trade, channel: ScriptedChannel, _clock: VirtualClock) -> None:
    channel.query_answers.append(charged(10_00, trade_no=f"T-{trade.order_no}"))
    query_payment_or_order(number=trade.order_no)


def decline(trade: Trade, channel: ScriptedChannel, _clock: VirtualClock) -> None:
    channel.query_answers.append(
        ChannelAnswer(outcome=Outcome.FAILED, failure_code="payer_declined")
    )
    query_payment_or_order(number=trade.order_no)


def begin_to_close(trade: Trade, channel: ScriptedChannel, _clock: VirtualClock) -> None:
    unknown = ChannelAnswer(outcome=Outcome.UNKNOWN)
    channel.query_answers.append(unknown)
    channel.close_answers.append(unknown)
    close_order(
        order_no=trade.order_no, merchant_no=None, reason=CloseReason.OPERATOR, cause="operator"
    )


CHANGES: list[tuple[Callable[..., None], str, str]] = [
    (succeed, "SUCCESS", "PAID"),
    (decline, "INIT", "FAILED"),
    (begin_to_close, "PAYING", "PAYING"),
]


@pytest.mark.parametrize(("change", "status", "payment_status"), CHANGES)
def test_a_change_is_told_at_the_very_next_question(
    channels: Scripted,
    clock: VirtualClock,
    change: Callable[..., None],
    status: str,
    payment_status: str,
) -> None:
    trade = make_trade()
    assert (ask(trade)["status"], ask(trade)["payment_status"]) == ("INIT", None)
    scan(trade, channels[0])
    waiting = ask(trade)
    assert (waiting["status"], waiting["payment_status"]) == ("PAYING", "PAYING")
    assert waiting["action"]["type"] == "qr_code"
    assert waiting["redirect_url"] is None or "/payments/" in waiting["redirect_url"]
    change(trade, channels[0], clock)
    now = ask(trade)
    assert (now["status"], now["payment_status"], now["action"]["type"]) == (
        status,
        payment_status,
        "none",
    )


def test_the_end_of_the_time_is_a_change_too(clock: VirtualClock) -> None:
    trade = make_trade(expires_in=60)
    assert ask(trade)["next_poll_ms"] > 0
    clock.advance(61)
    assert (ask(trade)["next_poll_ms"], ask(trade)["status"]) == (0, "INIT")


def test_it_takes_one_round_trip_while_nothing_changes(channels: Scripted) -> None:
    for trade in (make_trade(), make_trade()):
        scan(trade, channels[0])
        ask(trade)
        hits, misses = count_lookups("hit"), count_lookups("miss")
        with counting_round_trips() as seen:
            for _ in range(10):
                ask(trade)
    # The token is read by the test itself, once for each question.
    ours = [statement for statement in seen.statements if not statement.startswith("SELECT *")]
    assert ours == ["stamp_order_for_cashier"] * 10
    assert (count_lookups("hit") - hits, count_lookups("miss") - misses) == (10, 0)


def test_a_first_page_and_a_consult_take_one_round_trip_too() -> None:
    trade = make_trade()
    link = f"/cashier/{cashier_token(trade)}"
    page = Client()
    for _ in range(2):  # the first answer is kept for operators, and the merchant's look is read
        assert page.get(link).status_code == 200
    with counting_round_trips() as seen:
        assert page.get(link).status_code == 200
    assert (seen.statements, seen.on_the_wire) == (["get_order_for_cashier"], 1)

    secret = make_merchant()["secret_key"]
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    made = api.post("/api/v1/orders", data=order_body(), content_type="application/json").json()
    consult = f"/api/v1/orders/{made['order_no']}/payment-methods"
    for _ in range(2):
        assert api.post(consult, data={}, content_type="application/json").status_code == 200
    with counting_round_trips() as seen:
        assert api.post(consult, data={}, content_type="application/json").status_code == 200
    assert (seen.statements, seen.on_the_wire) == (["get_order_with_methods"], 1)


def test_the_next_inquiry_is_brought_forward_once_in_five_seconds(
    channels: Scripted, clock: VirtualClock
) -> None:
    trade = make_trade()
    scan(trade, channels[0])
    token = cashier_token(trade)

    def is_due() -> bool:
        (row,) = rows(
            "SELECT next_query_at <= platform_now() AS due FROM engine_channel_attempt"
            " WHERE order_no = %s",
            trade.order_no,
        )
        return bool(row["due"])

    def inquire() -> None:
        channels[0].query_answers.append(SCAN)
        query_payment_or_order(number=trade.order_no)

    for _ in range(4):
        inquire()
    clock.advance(6)
    assert not is_due()
    get_status(token=token)
    assert is_due()
    inquire()
    get_status(token=token)
    assert not is_due()


def test_a_wrong_link_learns_nothing() -> None:
    trade = make_trade()
    token = cashier_token(trade)
    for wrong in (f"{token[:-1]}_", token[:22], token[:22].swapcase() + token[22:], "x", ""):
        with pytest.raises(NotFound):
            get_status(token=wrong)


def test_a_payment_from_the_balance_is_told_at_once() -> None:
    trade, _, payer_token = paying()
    ask(trade)
    trade.pay(Method.BALANCE, payer_token=payer_token)
    assert (ask(trade)["status"], ask(trade)["payment_status"]) == ("SUCCESS", "PAID")
