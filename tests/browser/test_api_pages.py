"""The pages about the API in a real browser: they show it, say nothing on the console and ask no other server."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SIZES
from tests.live import LivePlatform

pytestmark = pytest.mark.browser

SHOWN = {
    "api/docs/": ("#operations-orders-create_order", "/api/v1/orders"),
    "api/reference/": ("[data-section-id='operation/create_order']", "Create an order"),
    "api/errors": ("#order_conflict", "order_conflict"),
}


def open_page(browser: Browser, address: str) -> tuple[Page, list[str], list[str]]:
    """Open a page; what it says on the console and asks for is kept in the lists."""
    width, height = SIZES["desktop"]
    page = browser.new_page(viewport={"width": width, "height": height})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, timeout=30_000)
    return page, said, asked


@pytest.mark.parametrize("path", SHOWN)
def test_the_page_shows_the_api_by_itself(chromium: Browser, platform: LivePlatform, path: str):
    selector, text = SHOWN[path]
    page, said, asked = open_page(chromium, f"{platform.base_url}/{path}")
    expect(page.locator(selector).first).to_contain_text(text, timeout=30_000)
    page.wait_for_load_state("networkidle")
    page.close()
    assert [line for line in said if line.startswith(("error", "warning"))] == []
    own = urlsplit(platform.base_url).netloc
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {own}


def test_browsers_get_their_icon(platform: LivePlatform):
    with platform.browser() as client:
        answer = client.get("/favicon.ico")
        assert answer.status_code == 302
        icon = client.get(answer.headers["Location"])
    assert (icon.status_code, icon.headers["Content-Type"]) == (200, "image/svg+xml")
