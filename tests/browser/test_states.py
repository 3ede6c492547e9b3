"""The hard hours of a payment in a real browser: unknown, out of time, late, hidden, in somebody else's frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop, Window
from tests.browser.test_paying import choose, expect_success, pay
from tests.checkout.test_page_security import LOGO
from tests.live import LiveMerchant
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.flow]
Opener = Callable[..., Window]


@pytest.fixture
def merchant(shop: Shop) -> LiveMerchant:
    return shop.platform.merchant(return_origin=shop.platform.base_url, name="Lantern 灯笼小铺")


def follow_titles(page: Page) -> list[str]:
    """Collect the mark and title of every page that the browser comes to."""
    seen: list[str] = []
    page.on("domcontentloaded", lambda at: seen.append(at.locator("h1").first.inner_text()))
    return seen


def test_an_unknown_result_is_processing_and_never_failed(
    merchant: LiveMerchant, open_window: Opener
) -> None:
    window = open_window("phone")
    page = window.page
    order = merchant.create(metadata={"sandbox_scenario": "unknown_then_success"})
    page.goto(order["cashier_url"])
    choose(page, "QR_CODE")
    page.route("**/status*", lambda route: route.abort())  # so that the page stays to be looked at
    pay(page)
    expect(page.locator("h1")).to_have_text("Your payment is being processed")
    expect(page.locator(".content")).not_to_contain_text("fail")
    expect(page.locator(".content")).to_contain_text("do not pay again")
    window.keep("processing")
    expect(page.locator("[data-offline]")).to_be_visible()
    window.keep("offline")
    page.unroute_all()
    page.reload()
    expect_success(page)
    assert len(merchant.platform.book(order["order_no"])["charges"]) == 1


def test_time_runs_out_while_paying(merchant: LiveMerchant, open_window: Opener) -> None:
    platform = merchant.platform
    window = open_window("desktop", locale="zh-CN")
    page = window.page
    order = merchant.create(expires_in=60)
    page.goto(order["cashier_url"])
    choose(page, "QR_CODE")
    pay(page)
    expect(page.locator("svg.qr")).to_be_visible()
    titles = follow_titles(page)
    try:
        platform.clock.advance(90)
        page.wait_for_url("**/result")
    finally:
        platform.clock.restore()
    expect(page.locator(".mark.expired")).to_be_visible()
    expect(page.locator("h1")).to_have_text("订单已过期")
    window.keep("expired")
    assert set(titles) <= {"付款处理中", "您的付款正在处理中", "订单正在关闭", "订单已过期"}, titles
    (charge,) = platform.book(order["order_no"])["charges"]
    assert charge["status"] == "CLOSED"


def test_money_that_came_too_late_is_on_its_way_back(
    merchant: LiveMerchant, open_window: Opener
) -> None:
    window = open_window("phone", locale="zh-CN", color_scheme="dark")
    page = window.page
    order = merchant.create(metadata={"sandbox_scenario": "success_after_close"})
    page.goto(order["cashier_url"])
    choose(page, "QR_CODE")
    pay(page)
    expect(page.locator("svg.qr")).to_be_visible()
    merchant.api.post(f"orders/{order['order_no']}/close")
    page.wait_for_url("**/result")
    expect(page.locator(".mark.closed")).to_be_visible()

    def has_come(*statuses: str) -> bool:
        data = merchant.api.get("late-money").json()["data"]
        return bool(data) and data[0]["status"] in statuses

    wait_until(lambda: has_come("REFUNDED"), 30, what="late money on its way back")
    page.reload()
    expect(page.locator(".notice")).to_contain_text("已原路退回")
    expect(page.locator("form")).to_have_count(0)
    window.keep("late")


def test_a_hidden_page_asks_nothing_until_it_is_seen_again(
    merchant: LiveMerchant, open_window: Opener
) -> None:
    page = open_window("desktop").page
    page.goto(merchant.create()["cashier_url"])
    choose(page, "QR_CODE")
    pay(page)
    expect(page.locator("svg.qr")).to_be_visible()
    page.clock.install()
    page.reload()
    asked: list[str] = []
    page.on("request", lambda request: "/status" in request.url and asked.append(request.url))
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});\
      document.dispatchEvent(new Event('visibilitychange')); }"
    )
    page.evaluate(hide, True)
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_response("**/status*"):
        page.evaluate(hide, False)
    assert len(asked) == 1
    with page.expect_response("**/status*"):
        page.clock.run_for(2_100)
    assert "polls=1" in asked[-1]


def test_only_pages_that_the_merchant_named_may_frame_the_cashier(
    shop: Shop, merchant: LiveMerchant, open_window: Opener
) -> None:
    platform = shop.platform
    page = open_window("desktop").page
    home = platform.sandbox_url

    def frame(cashier_url: str) -> Page:
        page.goto(f"{home}/healthz")
        page.set_content(f'<iframe src="{cashier_url}" width="1200" height="800"></iframe>')
        return page

    others = merchant.create()["cashier_url"]
    expect(
        frame(others).frame_locator("iframe").get_by_text("refused to connect").first
    ).to_be_attached()
    platform.do(
        "set_cashier_look",
        merchant_no=merchant.merchant_no,
        colour="#ffd400",
        logo=LOGO,
        embed_origins=[home],
    )
    named = platform.merchant()
    platform.do(
        "set_cashier_look", merchant_no=named.merchant_no, colour="#ffd400", embed_origins=[home]
    )
    inside = frame(named.create()["cashier_url"]).frame_locator("iframe")
    expect(inside.locator(".amount")).to_be_visible()
    inside.locator("#method-QR_CODE").check()
    inside.locator(".pay-bar button").click()
    expect(inside.locator("svg.qr")).to_be_visible()


@pytest.mark.parametrize(("size", "colour"), [("phone", "#ffd400"), ("desktop", "#7a1f3d")])
def test_a_merchants_own_look(shop: Shop, open_window: Opener, size: str, colour: str) -> None:
    merchant = shop.platform.merchant(name="Lantern 灯笼小铺")
    shop.platform.do("set_cashier_look", merchant_no=merchant.merchant_no, colour=colour)
    window = open_window(size)
    window.page.goto(merchant.create(subject="Pour-over coffee set")["cashier_url"])
    window.keep("choice")
    expected = ", ".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    expect(window.page.locator(".summary")).to_have_css("background-color", f"rgb({expected})")
    assert window.faults == []
