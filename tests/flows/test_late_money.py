"""Money that comes too late, over HTTP with the real institution: it goes back, and nothing else moves."""

from __future__ import annotations

from typing import Any

from tests.live import LiveMerchant, LivePlatform
from tests.waiting import wait_until

_WITHIN_S = 45.0


def late_of(merchant: LiveMerchant) -> list[dict[str, Any]]:
    """The merchant's late money as the API shows it."""
    answer = merchant.api.get("late-money")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def wait_for_late(merchant: LiveMerchant, status: str) -> dict[str, Any]:
    """The one late receipt, once it has this status."""
    (late,) = wait_until(
        lambda: [late for late in late_of(merchant) if late["status"] == status],
        _WITHIN_S,
        what=f"late money {status}",
    )
    return late


def charge_after_close(merchant: LiveMerchant, *, amount: int) -> dict[str, Any]:
    """Close an order at an institution that charges all the same; returns the closed order."""
    metadata = {"sandbox_scenario": "success_after_close"}
    order_no = merchant.create(amount=amount, metadata=metadata)["order_no"]
    merchant.pay(order_no)
    closed = merchant.api.post(f"orders/{order_no}/close")
    assert closed.json()["status"] == "CLOSED"
    return closed.json()


def open_cases(platform: LivePlatform, number: str) -> list[str]:
    """The kinds of what people still have to look at about an object."""
    found = platform.sql(
        "SELECT kind FROM engine_case WHERE object_no = %s AND status <> 'RESOLVED'", number
    )
    return [row["kind"] for row in found]


def test_money_after_the_close_goes_back_and_the_order_stays_closed(platform: LivePlatform):
    merchant = platform.merchant()
    closed = charge_after_close(merchant, amount=12_00)

    late = wait_for_late(merchant, "REFUNDED")

    assert (late["amount"], late["currency"], late["policy"]) == (12_00, "CNY", "REFUND")
    assert late["reason"] == "success_after_close"
    assert merchant.order(closed["order_no"]) == closed
    assert merchant.balance() == 0
    book = platform.book(closed["order_no"])
    assert [(c["status"], c["amount"]) for c in book["charges"]] == [("SUCCEEDED", 12_00)]
    assert [(r["status"], r["amount"]) for r in book["refunds"]] == [("SUCCEEDED", 12_00)]
    assert merchant.wait_for_webhook("late_money.resolved")["data"] == late
    assert merchant.events("late_money.pending") == []
    assert open_cases(platform, late["late_money_no"]) == []


def test_a_charge_of_another_amount_goes_back_whole_and_people_are_told(platform: LivePlatform):
    merchant = platform.merchant()
    metadata = {"sandbox_scenario": "amount_mismatch"}
    order_no = merchant.create(amount=30_00, metadata=metadata)["order_no"]
    payment_no = merchant.pay(order_no)["payment_no"]
    platform.confirm(payment_no)

    late = wait_for_late(merchant, "REFUNDED")

    order = merchant.order(order_no)
    assert (late["amount"], late["reason"]) == (29_99, "amount_mismatch")
    assert (order["status"], order["refunded_amount"], order["refunding_amount"]) == ("INIT", 0, 0)
    assert (order["payment"]["status"], order["payment"]["failure_code"]) == (
        "FAILED",
        "amount_mismatch",
    )
    book = platform.book(order_no)
    assert [(c["status"], c["amount"]) for c in book["charges"]] == [("SUCCEEDED", 29_99)]
    assert [(r["status"], r["amount"]) for r in book["refunds"]] == [("SUCCEEDED", 29_99)]
    (attempt,) = platform.sql(
        "SELECT attempt_no FROM engine_channel_attempt WHERE order_no = %s", order_no
    )
    # People were told while it was under way; its return ended what they had to look at.
    assert platform.sql(
        "SELECT kind, status FROM engine_case WHERE object_no = %s", attempt["attempt_no"]
    ) == [{"kind": "amount_mismatch", "status": "RESOLVED"}]
    assert merchant.balance() == 0


def test_a_merchant_who_is_asked_takes_the_money(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=10_000, late_money_policy="ASK")
    closed = charge_after_close(merchant, amount=25_00)
    late = wait_for_late(merchant, "OPEN")
    asked = merchant.wait_for_webhook("late_money.pending")["data"]
    assert asked == late
    assert late["respond_by"] > late["created_at"]

    answer = merchant.api.post(
        f"late-money/{late['late_money_no']}/decision", json={"decision": "HONOUR"}
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "HONOURED"
    assert merchant.wait_for_webhook("late_money.resolved")["data"] == answer.json()
    assert merchant.balance() == 25_00 - 25
    assert merchant.order(closed["order_no"]) == closed
    assert platform.book(closed["order_no"])["refunds"] == []


def test_a_merchant_who_says_nothing_has_it_sent_back(platform: LivePlatform):
    merchant = platform.merchant(late_money_policy="ASK", late_money_ask_minutes=10)
    closed = charge_after_close(merchant, amount=14_00)
    wait_for_late(merchant, "OPEN")

    platform.clock.advance(10 * 60 + 1)

    wait_for_late(merchant, "REFUNDED")
    assert [refund["amount"] for refund in platform.book(closed["order_no"])["refunds"]] == [14_00]
    assert merchant.balance() == 0


def test_late_money_is_measured(platform: LivePlatform):
    merchant = platform.merchant(late_money_policy="HOLD")
    charge_after_close(merchant, amount=11_00)
    late = wait_for_late(merchant, "OPEN")
    assert open_cases(platform, late["late_money_no"]) == ["late_money"]
    with platform.browser() as browser:
        shown = browser.get("/metrics").text
    (line,) = [row for row in shown.splitlines() if row.startswith("platform_late_money_open{")]
    assert 'channel="sandbox",currency="CNY"' in line
    assert float(line.rpartition(" ")[2]) >= 11_00
    assert "platform_late_money_overdue{" in shown
