"""Every page of the payer under axe-core: phone and desktop, light and dark, both languages; and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_faults
from tests.browser.conftest import SIZES, Shop, Window
from tests.browser.test_methods import CARD_WITH_3DS, enter_card
from tests.browser.test_paying import choose, expect_success, pay
from tests.environment import LONG
from tests.live import LiveMerchant
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.flow]
Opener = Callable[..., Window]

WINDOWS = [("phone", "dark"), ("desktop", "light")]
if LONG:
    WINDOWS += [("phone", "light"), ("desktop", "dark")]
EVERY_PAGE = [
    *("choice", "balance-first", "refused", "qr", "under-way", "card", "3ds", "redirect"),
    *("processing", "closing", "paid", "closed", "expired", "late", "problem", "consent", "agreed"),
]


@dataclass
class Pages:
    """Ways to every page of the payer, each with a name."""

    shop: Shop
    merchant: LiveMerchant

    def order(self, **changes: object) -> dict[str, str]:
        told = {
            "subject": "Pour-over coffee set",
            "description": "Dripper, server and forty filters",
        }
        return self.merchant.create(return_url=f"{self.shop.url}", **(told | changes))

    def visit(self, page: Page) -> Iterator[str]:
        """Bring the page into one state after another; yields the name of each."""
        yield from self._choices(page)
        yield from self._waits(page)
        yield from self._hard_hours(page)
        yield from self._ends(page)
        yield from self._consents(page)

    def _choices(self, page: Page) -> Iterator[str]:
        page.goto(self.order()["cashier_url"])
        yield "choice"
        choose(page, "BANK_CARD")
        page.locator("#use_balance").check()
        yield "balance-first"
        choose(page, "BALANCE")
        page.fill("#payer_no", self.shop.payer_no)
        page.fill("#payment_password", "not the password")
        pay(page)
        expect(page.locator("#payment_password-error")).to_be_visible()
        yield "refused"

    def _waits(self, page: Page) -> Iterator[str]:
        page.goto(self.order()["cashier_url"])
        choose(page, "QR_CODE")
        pay(page)
        expect(page.locator("svg.qr")).to_be_visible()
        yield "qr"
        page.locator('a[href*="change=1"]').click()
        expect(page.locator(".notice")).to_be_visible()
        yield "under-way"
        choose(page, "BANK_CARD")
        pay(page)
        fields = page.frame_locator("iframe.card-frame")
        expect(fields.locator('input[name="number"]')).to_be_visible()
        yield "card"
        enter_card(page, CARD_WITH_3DS)
        expect(fields.locator('input[name="one_time_code"]')).to_be_visible()
        yield "3ds"
        order = self.order()
        link = self.merchant.pay(order["order_no"], "NET_BANKING", bank_code="CMB")
        page.goto("about:blank")
        page.route(f"{self.shop.platform.sandbox_url}/**", lambda route: route.abort())
        page.goto(f"{order['cashier_url']}/payments/{link['payment_no']}")
        page.unroute_all()
        page.goto(f"{order['cashier_url']}/payments/{link['payment_no']}")
        expect(page.locator(".content a.button")).to_be_visible()
        yield "redirect"

    def _hard_hours(self, page: Page) -> Iterator[str]:
        """What stands on a page while something is not known; its polls are kept from changing it."""
        platform = self.shop.platform
        page.route("**/status*", lambda route: route.abort())
        unknown = self.order(metadata={"sandbox_scenario": "unknown_then_success"})
        self.merchant.pay(unknown["order_no"], "QR_CODE")
        page.goto(unknown["cashier_url"])
        expect(page.locator(".mark.busy")).to_be_visible()
        yield "processing"
        closing = self.order()
        self.merchant.pay(closing["order_no"], "QR_CODE")
        platform.fault("refuse")
        self.merchant.api.post(f"orders/{closing['order_no']}/close")
        page.goto(closing["cashier_url"])
        expect(page.locator(".mark.busy")).to_be_visible()
        assert "/payments/" not in page.url
        yield "closing"
        platform.fault("up")
        page.unroute_all()

    def _ends(self, page: Page) -> Iterator[str]:
        paid = self.order()
        token = self.merchant.payer_token(self.shop.payer_no)
        self.merchant.pay(paid["order_no"], "BALANCE", payer_token=token)
        page.goto(paid["cashier_url"])
        expect(page.locator(".mark.paid")).to_be_visible()
        yield "paid"
        closed = self.order()
        self.merchant.api.post(f"orders/{closed['order_no']}/close")
        page.goto(closed["cashier_url"])
        expect(page.locator(".mark.closed")).to_be_visible()
        yield "closed"
        expired = self.order(expires_in=60)
        self.shop.platform.clock.advance(61)
        page.goto(expired["cashier_url"])
        expect(page.locator(".mark.expired")).to_be_visible()
        self.shop.platform.clock.restore()
        yield "expired"
        late = self.order(metadata={"sandbox_scenario": "success_after_close"})
        self.merchant.pay(late["order_no"], "QR_CODE")
        self.merchant.api.post(f"orders/{late['order_no']}/close")
        wait_until(lambda: self.merchant.api.get("late-money").json()["data"], what="it came")
        page.goto(late["cashier_url"])
        expect(page.locator(".notice")).to_be_visible()
        yield "late"
        page.goto(f"{closed['cashier_url'][:-3]}zzz")
        expect(page.locator(".card h1")).to_be_visible()
        yield "problem"

    def _consents(self, page: Page) -> Iterator[str]:
        asked = self.merchant.api.post(
            "payer-agreements",
            json={"max_per_payment": 50_00, "max_per_day": 200_00, "return_url": self.shop.url},
        ).json()
        page.goto(asked["agreement_url"])
        expect(page.locator("button[value=agree]")).to_be_visible()
        yield "consent"
        page.fill("#payer_no", self.shop.payer_no)
        page.fill("#payment_password", self.shop.payer_password)
        page.locator("button[value=agree]").click()
        expect(page.locator(".mark.paid")).to_be_visible()
        yield "agreed"


def look_everywhere(window: Window, name: str) -> list[str]:
    """Return what is wrong with the page, and with the frames in it, in each window; keeps a picture of each."""
    page, found = window.page, []
    for number, (size, scheme) in enumerate(WINDOWS):
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        window.keep(f"{name}-{size}-{scheme}")
        faults = ["wider than the window"] if window.overflows() else []
        for frame in page.frames:
            if frame.url.startswith("http"):
                faults += find_faults(frame, with_shifts=not number)
        found += [f"{name}, {size}, {scheme}: {fault}" for fault in faults]
    width, height = SIZES[WINDOWS[0][0]]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=WINDOWS[0][1])
    return found


@pytest.mark.parametrize("locale", ["zh-CN", pytest.param("en-US", marks=pytest.mark.long)])
def test_every_page_is_for_everybody(shop: Shop, open_window: Opener, locale: str) -> None:
    merchant = shop.platform.merchant(return_origin=shop.platform.base_url, name="Lantern 灯笼小铺")
    window = open_window("phone", locale=locale, color_scheme=WINDOWS[0][1])
    window.name = "every_page"
    found: list[str] = []
    seen = []
    for name in Pages(shop, merchant).visit(window.page):
        seen.append(name)
        found += look_everywhere(window, f"{locale[:2]}-{len(seen):02}-{name}")
    assert not found, "\n".join(found)
    assert seen == EVERY_PAGE


def is_focus_visible(page: Page) -> bool:
    """Tell whether the element in focus, or the label that stands for it, has a ring around it."""
    return bool(
        page.evaluate(
            """() => {
              const one = document.activeElement;
              const shown = one.type === "radio" || one.type === "checkbox" ? one.nextElementSibling : one;
              const style = getComputedStyle(shown);
              return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            }"""
        )
    )


def test_a_payment_by_keyboard_alone(shop: Shop, open_window: Opener) -> None:
    merchant = shop.platform.merchant(return_origin=shop.platform.base_url)
    window = open_window("desktop")
    page = window.page
    page.goto(merchant.create()["cashier_url"])
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.className")
        assert is_focus_visible(page), focused
        reached.append(focused)
        if page.evaluate("document.activeElement.type") == "radio":
            break
    assert reached[0] == "language"
    while not page.locator("#method-BALANCE").is_checked():
        page.keyboard.press("ArrowDown")
        assert is_focus_visible(page)
    page.keyboard.press("Tab")
    page.keyboard.type(shop.payer_no)
    page.keyboard.press("Tab")
    assert is_focus_visible(page)
    page.keyboard.type(shop.payer_password)
    window.keep("focus")
    page.keyboard.press("Enter")
    expect_success(page)
    if LONG:
        wait_until(lambda: merchant.events("order.success"), what="the webhook")
