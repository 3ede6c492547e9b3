"""Bank card, wallet, net banking and the balance beside them, in a real browser at the institution's own pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Shop, Window
from tests.browser.test_paying import buy, choose, expect_success, pay

pytestmark = [pytest.mark.browser, pytest.mark.flow]
Opener = Callable[..., Window]
sizes = pytest.mark.parametrize("size", ["phone", "desktop"])

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
CARD_WITH_3DS = "4000000000003220"


def card_fields(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.card-frame")


def enter_card(page: Page, number: str) -> None:
    fields = card_fields(page)
    fields.locator('input[name="number"]').fill(number)
    fields.locator('input[name="expiry"]').fill("12/39")
    fields.locator('input[name="code"]').fill("123")
    fields.locator('button[value="pay"]').click()


@sizes
def test_card_in_the_institutions_frame(shop: Shop, open_window: Opener, size: str) -> None:
    window = open_window(size)
    page = window.page
    buy(page, shop)
    choose(page, "BANK_CARD")
    pay(page)
    expect(card_fields(page).locator('input[name="number"]')).to_be_visible()
    assert not window.overflows()
    window.keep("1-card")
    enter_card(page, CARD_WITH_3DS)
    code = card_fields(page).locator('input[name="one_time_code"]')
    code.fill("000000")  # waits for this page: the card page before it has no such field
    window.keep("2-3ds")
    card_fields(page).locator('button[value="pay"]').click()
    expect_success(page)
    window.keep("3-result")
    assert window.faults == []


def test_declined_card_leads_back_and_another_one_pays(shop: Shop, open_window: Opener) -> None:
    page = open_window("phone").page
    cashier = buy(page, shop)
    choose(page, "BANK_CARD")
    pay(page)
    enter_card(page, DECLINED_CARD)
    page.wait_for_url(cashier)
    expect(page.locator(".notice.bad")).to_be_visible()
    choose(page, "BANK_CARD")
    pay(page)
    enter_card(page, GOOD_CARD)
    expect_success(page)


@pytest.mark.parametrize(
    ("method", "option", "size"),
    [
        ("NET_BANKING", ("bank_code", "CMB"), "desktop"),
        ("WALLET", ("wallet_code", "BLUE_WALLET"), "phone"),
    ],
)
def test_there_and_back_by_redirect(
    shop: Shop, open_window: Opener, method: str, option: tuple[str, str], size: str
) -> None:
    window = open_window(size)
    page = window.page
    buy(page, shop)
    choose(page, method)
    page.select_option(f"#{option[0]}", option[1])
    window.keep("1-option")
    pay(page)
    page.wait_for_url(f"{shop.platform.sandbox_url}/**")  # forwarded by itself
    page.fill('input[name="account"]', "anybody")
    page.fill('input[name="password"]', "anything")
    window.keep("2-institution")
    page.locator("button.main").click()
    if method == "WALLET":
        page.locator('button[value="pay"]').click()
    expect_success(page)


def test_balance_first_and_a_card_for_the_rest(shop: Shop, open_window: Opener) -> None:
    window = open_window("phone")
    page = window.page
    shop.payer_no = shop.platform.payer(balance=10_00)
    buy(page, shop)
    choose(page, "BANK_CARD")
    page.locator("#use_balance").check()
    page.fill("#balance_payer_no", f" {shop.payer_no.upper()} ")
    page.fill("#balance_password", "not the password")
    pay(page)
    expect(page.locator("#balance_password-error")).to_be_visible()
    page.fill("#balance_password", shop.payer_password)
    window.keep("1-choice")
    pay(page)
    expect(page.locator(".parts")).to_contain_text("10.00")
    window.keep("2-card")
    enter_card(page, GOOD_CARD)
    expect_success(page)
    expect(page.locator(".receipt")).to_contain_text("Wallet balance")
    expect(page.locator(".receipt")).to_contain_text("Bank card")
    window.keep("3-result")
    order_no = page.locator(".facts .number").last.inner_text()
    (charge,) = shop.platform.book(order_no)["charges"]
    paid = shop.platform.sql(
        "SELECT amount FROM engine_payment_order WHERE order_no = %s AND status = 'PAID'", order_no
    )
    assert charge["amount"] + 10_00 == paid[0]["amount"]


def test_the_choice_notices_what_happens_elsewhere(shop: Shop, open_window: Opener) -> None:
    window = open_window("desktop")
    page = window.page
    cashier = buy(page, shop)
    other = page.context.new_page()
    other.goto(cashier)
    choose(other, "BALANCE")
    other.fill("#payer_no", shop.payer_no)
    other.fill("#payment_password", shop.payer_password)
    pay(other)
    expect_success(other)
    page.bring_to_front()
    expect_success(page)
