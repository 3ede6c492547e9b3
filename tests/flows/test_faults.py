"""When the institution fails as a whole, the platform goes on and forgets nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.lateness import measuring_time
from tests.live import LivePlatform
from tests.waiting import wait_until


def test_an_institution_that_swallows_calls_does_not_stop_the_api(platform: LivePlatform):
    """At most half of a process's threads wait for channels; the others go on answering."""
    merchant, payer_no = platform.merchant(), platform.payer()
    token = merchant.payer_token(payer_no)
    swallowed = [merchant.create()["order_no"] for _ in range(8)]
    platform.fault("black_hole", seconds=30)
    with ThreadPoolExecutor(len(swallowed)) as pool:
        pressed = [pool.submit(merchant.pay, order_no) for order_no in swallowed]
        wait_until(
            lambda: all(merchant.order(order_no)["status"] == "PAYING" for order_no in swallowed)
        )

        with measuring_time() as span:
            for _ in range(5):
                order_no = merchant.create()["order_no"]
                assert merchant.pay(order_no, "BALANCE", payer_token=token)["status"] == "PAID"
        span.must_be_under(4.0)

        platform.fault("up")
        assert {press.result(30)["status"] for press in pressed} == {"PAYING"}
    for order_no in swallowed:
        wait_until(
            lambda no=order_no: platform.charges(no) == ["PENDING"] or ended(merchant.order(no)), 40
        )


def ended(order: dict) -> bool:
    """Whether the order's payment was given up because the institution never had it."""
    return order["status"] == "INIT" and order["payment"]["status"] == "FAILED"


def test_an_institution_that_refuses_connections_fails_the_payment_at_once(platform: LivePlatform):
    merchant = platform.merchant()
    order_no = merchant.create()["order_no"]
    platform.fault("refuse", seconds=30)

    answer = merchant.pay(order_no)

    assert answer["status"] == "FAILED"
    order = merchant.order(order_no)
    assert (order["status"], order["payment"]["status"]) == ("INIT", "FAILED")
    assert platform.charges(order_no) == []
    platform.fault("up")
    platform.confirm(merchant.pay(order_no)["payment_no"])
    merchant.wait_for_status(order_no, "SUCCESS")
