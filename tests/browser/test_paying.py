"""From the shop to the result in a real browser, over the real processes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop, Window

pytestmark = [pytest.mark.browser, pytest.mark.flow]
Opener = Callable[..., Window]
sizes = pytest.mark.parametrize("size", ["phone", "desktop"])


def buy(page: Page, shop: Shop, *, product: str = "coffee") -> str:
    """Press "Buy" in the shop; returns the cashier's address."""
    page.goto(shop.url)
    page.locator(f'form:has(input[value="{product}"]) button').click()
    page.wait_for_url("**/cashier/*")
    return page.url


def choose(page: Page, method: str) -> None:
    page.locator(f"#method-{method}").check()


def pay(page: Page) -> None:
    page.locator(".pay-bar button").click()


def pay_by_balance(page: Page, shop: Shop, *, password: str | None = None) -> None:
    choose(page, "BALANCE")
    page.fill("#payer_no", shop.payer_no)
    page.fill("#payment_password", password or shop.payer_password)
    pay(page)


def scan(page: Page, window: Window) -> Page:
    """Open the address in the code on "the phone"; returns the institution's page."""
    phone = page.context.new_page()
    address = page.locator(".address").get_attribute("href")
    assert address is not None
    phone.goto(address)
    return phone


def expect_success(page: Page) -> None:
    page.wait_for_url("**/result")
    expect(page.locator(".mark.paid")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)


def expect_nothing_forbidden(window: Window, shop: Shop) -> None:
    assert window.faults == []
    assert window.hosts == {shop.platform.base_url.split("/")[2]}


@sizes
def test_qr_from_shop_to_result(shop: Shop, open_window: Opener, size: str) -> None:
    window = open_window(size)
    page = window.page
    page.goto(shop.url)
    window.keep("1-shop")
    buy(page, shop)
    assert not window.overflows()
    window.keep("2-choice")
    if size == "phone":
        window.keep_for_manual("payer-choice")
    choose(page, "QR_CODE")
    pay(page)
    expect(page.locator("svg.qr")).to_be_visible()
    assert not window.overflows()
    window.keep("3-qr")
    if size == "phone":
        window.keep_for_manual("payer-qr")
    phone = scan(page, window)
    phone.locator('button[value="pay"]').click()
    page.bring_to_front()
    expect_success(page)
    assert not window.overflows()
    window.keep("4-result")
    if size == "phone":
        window.keep_for_manual("payer-result")
    page.locator("a.button").click()
    page.wait_for_url("**/demo/orders/*")
    expect(page.locator(".verified")).to_be_visible()
    expect(page.locator(".banner.good")).to_be_visible()
    assert not window.overflows()
    window.keep("5-shop")
    if size == "desktop":
        window.keep_for_manual("merchant-notice")
    expect_nothing_forbidden(window, shop)


@sizes
def test_balance_from_shop_to_result(shop: Shop, open_window: Opener, size: str) -> None:
    window = open_window(size)
    page = window.page
    buy(page, shop)
    choose(page, "BALANCE")
    window.keep("1-balance")
    pay_by_balance(page, shop, password="not the password")
    expect(page.locator("#payment_password-error")).to_be_visible()
    assert page.locator("#payer_no").input_value() == shop.payer_no
    assert page.locator("#payment_password").input_value() == ""
    window.keep("2-wrong")
    pay_by_balance(page, shop)
    expect_success(page)
    window.keep("3-result")
    page.locator("a.button").click()
    expect(page.locator(".verified")).to_be_visible()
    expect_nothing_forbidden(window, shop)


def test_everything_works_without_javascript(shop: Shop, open_window: Opener) -> None:
    window = open_window("phone", javascript=False)
    page = window.page
    buy(page, shop)
    choose(page, "BALANCE")
    expect(page.locator("#payer_no")).to_be_visible()
    choose(page, "QR_CODE")
    expect(page.locator("#payer_no")).to_be_hidden()
    pay(page)
    expect(page.locator("svg.qr")).to_be_visible()
    phone = scan(page, window)
    phone.locator('button[value="pay"]').click()
    page.bring_to_front()
    expect_success(page)  # the page refreshes itself by its meta element
    window.keep("result")


def test_the_language_is_the_browsers_until_the_payer_chooses(
    shop: Shop, open_window: Opener
) -> None:
    window = open_window("phone", locale="zh-CN")
    page = window.page
    buy(page, shop)
    expect(page.locator("h1")).to_have_text("选择支付方式")
    window.keep("chinese")
    page.locator(".language").click()
    expect(page.locator("h1")).to_have_text("Choose how to pay")
    choose(page, "QR_CODE")
    pay(page)
    expect(page.locator("h1")).to_have_text("Scan to pay")
    page.locator(".language").click()
    expect(page.locator("h1")).to_have_text("扫码支付")


def test_back_and_reload_after_success_show_the_result(shop: Shop, open_window: Opener) -> None:
    page = open_window("desktop").page
    buy(page, shop)
    pay_by_balance(page, shop)
    expect_success(page)
    page.go_back()
    expect(page.locator(".mark.paid")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    page.reload()
    expect(page.locator(".mark.paid")).to_be_visible()


def test_a_refusal_on_the_phone_leads_back_to_the_choice(shop: Shop, open_window: Opener) -> None:
    window = open_window("phone")
    page = window.page
    cashier = buy(page, shop)
    choose(page, "QR_CODE")
    pay(page)
    phone = scan(page, window)
    phone.locator('button[value="decline"]').click()
    page.bring_to_front()
    page.wait_for_url(cashier)
    expect(page.locator(".notice.bad")).to_be_visible()
    window.keep("declined")
    pay_by_balance(page, shop)
    expect_success(page)


def test_two_tabs_with_two_methods_end_in_one_payment(shop: Shop, open_window: Opener) -> None:
    window = open_window("desktop")
    first = window.page
    cashier = buy(first, shop)
    second = first.context.new_page()
    second.goto(cashier)
    choose(first, "QR_CODE")
    pay(first)
    expect(first.locator("svg.qr")).to_be_visible()
    pay_by_balance(second, shop)
    expect_success(second)
    first.bring_to_front()
    expect_success(first)
    order_no = first.locator(".facts .number").last.inner_text()
    charges = shop.platform.book(order_no)["charges"]
    assert [charge["status"] for charge in charges] == ["CLOSED"]
    paid = shop.platform.sql(
        "SELECT count(*) AS number FROM engine_payment_order WHERE order_no = %s AND status = 'PAID'",
        order_no,
    )
    assert paid[0]["number"] == 1


def test_switching_away_from_a_payment_under_way(shop: Shop, open_window: Opener) -> None:
    window = open_window("phone")
    page = window.page
    buy(page, shop)
    choose(page, "QR_CODE")
    pay(page)
    page.locator('a[href*="change=1"]').click()
    expect(page.locator(".notice")).to_be_visible()
    window.keep("change")
    pay_by_balance(page, shop)
    expect_success(page)


def test_a_double_click_pays_once(shop: Shop, open_window: Opener) -> None:
    page = open_window("desktop", javascript=False).page
    buy(page, shop)
    choose(page, "QR_CODE")
    page.locator(".pay-bar button").dblclick()
    expect(page.locator("svg.qr")).to_be_visible()
    order_no = page.locator(".facts .number").last.inner_text()
    assert re.match("ord_", order_no)
    assert len(shop.platform.book(order_no)["charges"]) == 1


def test_a_foreign_page_can_neither_frame_nor_post(shop: Shop, open_window: Opener) -> None:
    window = open_window("desktop")
    cashier = buy(window.page, shop)
    foreign = window.page.context.new_page()
    foreign.goto(f"{shop.platform.sandbox_url}/healthz")
    foreign.set_content(
        f'<iframe src="{cashier}"></iframe>'
        f'<form method="post" action="{cashier}/pay"><input name="method" value="QR_CODE"></form>'
    )
    frame = foreign.frame_locator("iframe")
    expect(frame.get_by_text("refused to connect").first).to_be_attached()
    expect(frame.locator(".amount")).to_have_count(0)
    with foreign.expect_navigation() as navigation:
        foreign.evaluate("document.forms[0].submit()")
    assert navigation.value.status == 403
