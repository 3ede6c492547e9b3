"""Whatever the institution does to a payment: its end after at most a minute, here and in the institution's book."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.live import LiveMerchant, LivePlatform
from tests.waiting import wait_until

_WITHIN_S = 45.0
_AMOUNT = 30_00


@dataclass(frozen=True)
class End:
    """How a scenario ends: the order, its payment, the charges of the book and the money at the merchant."""

    order: str
    payment: str
    charges: tuple[str, ...]
    merchant: int = 0
    channel: str = "sandbox"
    paid_by_hand: bool = False


PAID = End("SUCCESS", "PAID", ("SUCCEEDED",), _AMOUNT)
SCANNED = End("SUCCESS", "PAID", ("SUCCEEDED",), _AMOUNT, paid_by_hand=True)

ENDS = {
    "success": SCANNED,
    "slow": PAID,
    "duplicate_notifications": SCANNED,
    "out_of_order": SCANNED,
    "unknown_then_success": PAID,
    "garbled_response": PAID,
    "unsigned_response": PAID,
    "forged_notification": SCANNED,
    "decline": End("INIT", "FAILED", ("FAILED",)),
    "decline_retriable": End(
        "SUCCESS", "PAID", ("FAILED", "SUCCEEDED"), _AMOUNT, channel="sandbox2", paid_by_hand=True
    ),
    "not_sent": End(
        "SUCCESS", "PAID", ("SUCCEEDED",), _AMOUNT, channel="sandbox2", paid_by_hand=True
    ),
    "unknown_then_not_charged": End("INIT", "FAILED", ()),
    "amount_mismatch": End("INIT", "FAILED", ("SUCCEEDED",), paid_by_hand=True),
}


@dataclass
class Played:
    """One scenario under way: who sells and which order."""

    merchant: LiveMerchant
    order_no: str


@pytest.fixture(scope="module")
def played(running_platform: LivePlatform) -> Iterator[dict[str, Future[Played]]]:
    """Start every scenario at once: most of them only wait."""
    with ThreadPoolExecutor(len(ENDS)) as pool:
        yield {name: pool.submit(_play, running_platform, name) for name in ENDS}


def _play(platform: LivePlatform, scenario: str) -> Played:
    merchant = platform.merchant(fee_rate_ppm=0)
    order_no = merchant.create(amount=_AMOUNT, metadata={"sandbox_scenario": scenario})["order_no"]
    payment_no = merchant.pay(order_no)["payment_no"]
    if ENDS[scenario].paid_by_hand:
        wait_until(lambda: platform.charges(order_no)[-1:] == ["PENDING"], _WITHIN_S, what=scenario)
        platform.confirm(payment_no)
    return Played(merchant, order_no)


@pytest.mark.parametrize("scenario", ENDS)
def test_scenario_ends_as_promised(
    running_platform: LivePlatform, played: dict[str, Future[Played]], scenario: str
):
    platform, end = running_platform, ENDS[scenario]
    trade = played[scenario].result(_WITHIN_S)

    wait_until(
        lambda: trade.merchant.order(trade.order_no)["payment"]["status"] == end.payment,
        _WITHIN_S,
        what=scenario,
    )

    order = trade.merchant.order(trade.order_no)
    assert order["status"] == end.order
    assert order["payment"]["details"][0]["channel"] == end.channel
    assert tuple(platform.charges(trade.order_no)) == end.charges
    assert trade.merchant.balance() == end.merchant
    if end.order == "SUCCESS":
        event = trade.merchant.wait_for_webhook("order.success")
        assert event["data"] == order
        assert len({webhook.headers["webhook-id"] for webhook in trade.merchant.webhooks()}) == 1
    journals = platform.sql(
        "SELECT 1 FROM ledger_journal WHERE event_type = 'payment_paid' AND event_id = %s",
        order["payment"]["payment_no"],
    )
    assert len(journals) == (1 if end.payment == "PAID" else 0)


def test_a_charge_of_another_amount_is_kept_apart_whole(
    running_platform: LivePlatform, played: dict[str, Future[Played]]
):
    platform, trade = running_platform, played["amount_mismatch"].result(_WITHIN_S)
    (late,) = wait_until(
        lambda: platform.sql("SELECT * FROM engine_late_money WHERE order_no = %s", trade.order_no),
        _WITHIN_S,
    )
    assert late["amount"] == _AMOUNT - 1
    assert platform.sql("SELECT 1 FROM engine_case WHERE object_no = %s", late["late_money_no"])


def test_forged_notifications_are_refused_and_kept(
    running_platform: LivePlatform, played: dict[str, Future[Played]]
):
    played["forged_notification"].result(_WITHIN_S)
    refused = running_platform.sql(
        "SELECT 1 FROM engine_channel_callback WHERE result = 'REFUSED' AND attempt_no IS NULL"
    )
    assert refused
