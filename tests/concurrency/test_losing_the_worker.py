"""Worker and Redis are expendable: what is due stands in a table."""

from __future__ import annotations

from tests.live import LivePlatform
from tests.waiting import wait_until
from tests.webhook_receiver import Answer

_LONGER_THAN_A_LEASE_S = 120


def test_a_webhook_survives_the_worker_and_redis(platform: LivePlatform):
    """Killed between commit and delivery, and the doorbell's message lost with everything else in Redis."""
    merchant, payer_no = platform.merchant(), platform.payer()
    token = merchant.payer_token(payer_no)
    order_no = merchant.create()["order_no"]
    platform.kill_worker()
    merchant.pay(order_no, "BALANCE", payer_token=token)
    platform.flush_redis()
    assert merchant.webhooks() == []

    platform.restart_worker()

    event = merchant.wait_for_webhook("order.success", timeout_s=30)
    assert event["data"]["order_no"] == order_no
    assert {webhook.headers["webhook-id"] for webhook in merchant.webhooks()} == {event["id"]}
    (kept,) = platform.sql(
        "SELECT event_id FROM acquiring_merchant_event WHERE object_no = %s", order_no
    )
    assert kept["event_id"] == event["id"]


def test_a_webhook_that_was_under_way_is_sent_again_under_the_same_id(platform: LivePlatform):
    """Killed while the merchant's server had the request: nobody knows, so it comes again, recognisably."""
    merchant, payer_no = platform.merchant(), platform.payer()
    token = merchant.payer_token(payer_no)
    order_no = merchant.create()["order_no"]
    platform.receiver.script(f"/{merchant.merchant_no}", Answer(never=True), Answer())
    merchant.pay(order_no, "BALANCE", payer_token=token)
    wait_until(merchant.webhooks, what="the first try")
    platform.kill_worker()

    platform.restart_worker()
    platform.clock.advance(_LONGER_THAN_A_LEASE_S)

    wait_until(lambda: len(merchant.webhooks()) > 1, 30, what="the second try")
    first, second = merchant.webhooks()[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    second.verify(merchant.webhook_secret)
    wait_until(
        lambda: platform.sql(
            "SELECT 1 FROM acquiring_delivery WHERE event_id = %s AND status = 'DELIVERED'",
            first.headers["webhook-id"],
        )
    )


def test_a_payment_whose_worker_and_web_knew_nothing_is_found_by_inquiry(platform: LivePlatform):
    """The institution charged, its notification found nobody to act on it but the table."""
    merchant = platform.merchant()
    order_no = merchant.create(metadata={"sandbox_scenario": "unknown_then_success"})["order_no"]
    platform.kill_worker()
    paying = merchant.pay(order_no)
    assert paying["status"] == "PAYING"
    platform.flush_redis()

    platform.restart_worker()

    order = merchant.wait_for_status(order_no, "SUCCESS", timeout_s=30)
    assert platform.charges(order_no) == ["SUCCEEDED"]
    assert merchant.wait_for_webhook("order.success")["data"] == order
