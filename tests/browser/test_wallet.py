"""A payer's wallet in a real browser: on a phone in Chinese without JavaScript, on a desktop in English."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import find_faults
from tests.browser.conftest import Shop, Window

pytestmark = [pytest.mark.browser, pytest.mark.flow]


@pytest.mark.parametrize(
    ("size", "locale", "javascript"), [("phone", "zh-CN", False), ("desktop", "en-US", True)]
)
def test_wallet(
    shop: Shop, open_window: Callable[..., Window], size: str, locale: str, javascript: bool
) -> None:
    platform = shop.platform
    merchant = platform.merchant(name="Lantern 灯笼小铺")
    token = merchant.payer_token(shop.payer_no)
    for amount in (3_00, 12_345_67 // 100):
        order = merchant.create(amount=amount)
        assert merchant.pay(order["order_no"], "BALANCE", payer_token=token)["status"] == "PAID"
    window = open_window(size, locale=locale, javascript=javascript)
    page = window.page

    def look(step: str) -> None:
        window.keep(step)
        assert not window.overflows()
        if javascript:
            assert find_faults(page) == []

    page.goto(f"{platform.base_url}/wallet/")
    look("log-in")
    page.fill("#payer_no", shop.payer_no)
    page.fill("#payment_password", "not-the-password")
    page.locator("button.button").click()
    expect(page.locator("#payment_password-error")).to_be_visible()
    look("refused")
    page.fill("#payment_password", shop.payer_password)
    page.locator("button.button").click()
    expect(page.locator(".movements li").first).to_be_visible()
    look("wallet")
    if size == "phone":
        window.keep_for_manual("payer-wallet")
    expect(page.locator(".movements li")).to_have_count(3)
    page.locator(".menu a").nth(1).click()
    expect(page.locator(".movements a")).to_have_count(1)
    look("agreements")
    page.locator(".movements a").click()
    expect(page.locator(".movements li")).to_have_count(2)
    look("agreement")
    page.locator(".button.danger").click()
    expect(page.locator(".ending")).to_have_count(0)
    look("ended")
    order_no = merchant.create()["order_no"]
    refused = merchant.try_pay(order_no, "BALANCE", payer_token=token)
    assert (refused.status_code, refused.json()["code"]) == (403, "payer_token_invalid")
    page.locator(".menu button").click()
    expect(page.locator("#payer_no")).to_be_visible()
    page.goto(f"{platform.base_url}/wallet/agreements")
    expect(page.locator("#payer_no")).to_be_visible()
