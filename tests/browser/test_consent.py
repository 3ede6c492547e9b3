"""A payer's agreement in a real browser: from the merchant's request to a payment by its token."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Shop, Window
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.flow]


@pytest.mark.parametrize(
    ("size", "locale", "javascript"), [("phone", "zh-CN", False), ("desktop", "en-US", True)]
)
def test_consent(
    shop: Shop, open_window: Callable[..., Window], size: str, locale: str, javascript: bool
) -> None:
    platform = shop.platform
    home = platform.base_url
    merchant = platform.merchant(return_origin=home, name="Lantern 灯笼小铺")
    endpoint = {"url": merchant.notify_url, "events": ["payer_agreement.active"]}
    assert merchant.api.post("webhook-endpoints", json=endpoint).status_code == 201
    asked = merchant.api.post(
        "payer-agreements",
        json={
            "max_per_payment": 50_00,
            "max_per_day": 200_00,
            "return_url": f"{home}/demo/",
            "subject": "Green tea, every month",
        },
    ).json()
    window = open_window(size, locale=locale, javascript=javascript)
    page = window.page

    page.goto(asked["agreement_url"])
    window.keep("asked")
    if size == "phone":
        window.keep_for_manual("merchant-agreement")
    assert not window.overflows()
    page.fill("#payer_no", shop.payer_no)
    page.fill("#payment_password", "not-the-password")
    page.locator("button[value=agree]").click()
    expect(page.locator("#payment_password-error")).to_be_visible()
    expect(page.locator("#payer_no")).to_have_value(shop.payer_no)
    window.keep("refused")
    page.fill("#payment_password", shop.payer_password)
    page.locator("button[value=agree]").click()
    expect(page.locator(".mark.paid")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    window.keep("agreed")
    assert not window.overflows()
    assert page.url == asked["agreement_url"]

    (told,) = wait_until(merchant.webhooks, what="the consent to be told")
    data = json.loads(told.body)["data"]
    seen = merchant.api.get(f"payer-agreements/{asked['agreement_no']}").json()
    assert data == seen
    order_no = merchant.create()["order_no"]
    assert merchant.pay(order_no, "BALANCE", payer_token=data["payer_token"])["status"] == "PAID"

    page.locator(".content a.button").click()
    page.wait_for_url(f"{home}/demo/")
    assert data["payer_token"] not in page.url
    assert window.faults == []
    assert window.hosts == {home.split("/")[2]}


def test_a_statement_comes_whole_over_the_wire(shop: Shop) -> None:
    merchant = shop.platform.merchant()
    with merchant.api.stream("GET", "statements/2026-01-31") as answer:
        content = answer.read()
    assert answer.status_code == 200
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["x-request-id"].startswith("req_")
    assert content.splitlines()[-1].startswith(b"END,")
    head = merchant.api.head("statements/2026-01-31?kind=summary")
    assert (head.status_code, head.content) == (200, b"")
