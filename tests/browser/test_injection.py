"""Merchants' texts on the payer's pages are text: no script runs, no other host is asked, no element appears.

Each payload stands as the order's subject, in its description, as the merchant's name and as an agreement's subject. A
seeded share runs here, all of them with ``--long``.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop, Window
from tests.browser.injections import PAYLOADS
from tests.environment import LONG
from tests.live import LiveMerchant

pytestmark = [pytest.mark.browser, pytest.mark.flow, pytest.mark.timeout(900 if LONG else 120)]

SHARE = PAYLOADS if LONG else random.Random(20).sample(PAYLOADS, 10)
_WATCH = "window.ran = []; window.pwned = () => window.ran.push(1); window.alert = window.pwned;"


def test_there_are_enough_of_them() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 200
    assert all(len(payload) <= 128 for payload in PAYLOADS)


def expect_texts(page: Page, texts: dict[str, str]) -> None:
    """Each place holds exactly its text and no element."""
    for place, text in texts.items():
        found = page.locator(place).first
        told = found.evaluate("(one) => [one.textContent, one.childElementCount]")
        assert told == [text, 0], place


def read_order(page: Page, merchant: LiveMerchant, name: str, payload: str) -> None:
    """Look at the choice, the QR page and the result of an order with this text."""
    order = merchant.create(subject=payload, description=f"{payload} · {payload}")
    texts = {
        ".merchant > span:last-child": name,
        ".subject": payload,
        ".description": f"{payload} · {payload}",
    }
    page.goto(order["cashier_url"])
    expect_texts(page, texts)
    page.locator("#method-QR_CODE").check()
    page.locator(".pay-bar button").click()
    page.wait_for_url("**/payments/*")
    expect_texts(page, texts)
    merchant.api.post(f"orders/{order['order_no']}/close")
    page.goto(f"{order['cashier_url']}/result")
    expect_texts(page, texts)


def read_agreement(page: Page, merchant: LiveMerchant, payload: str) -> None:
    """Look at the consent page of an agreement with this text."""
    body = {"max_per_payment": 1, "max_per_day": 1, "subject": payload}
    answer = merchant.api.post(
        "payer-agreements", json=body | {"return_url": merchant.platform.base_url}
    )
    assert answer.status_code == 201, answer.text
    page.goto(answer.json()["agreement_url"])
    expect_texts(page, {".subject": payload})


def test_texts_of_merchants_stay_texts(shop: Shop, open_window: Callable[..., Window]) -> None:
    platform = shop.platform
    window = open_window("desktop")
    page = window.page
    page.add_init_script(_WATCH)
    talked: list[str] = []
    page.on("dialog", lambda dialog: (talked.append(dialog.message), dialog.dismiss()))
    for payload in SHARE:
        name = payload.strip()
        merchant = platform.merchant(name=name, return_origin=platform.base_url)
        read_order(page, merchant, name, payload)
        read_agreement(page, merchant, payload)
        assert page.evaluate("window.ran") == [], payload
        assert window.faults == [], payload
        assert window.hosts == {platform.base_url.split("/")[2]}, payload
    assert talked == []


def test_the_watch_sees_what_it_watches_for(shop: Shop, open_window: Callable[..., Window]) -> None:
    """A text put in as markup is noticed each way: the element, the refused script, the other host."""
    window = open_window("desktop")
    page = window.page
    page.add_init_script(_WATCH)
    page.goto(shop.platform.merchant().create()["cashier_url"])
    page.evaluate(
        "document.querySelector('.subject').innerHTML = '<img src=//evil.example/x onerror=pwned()>'"
    )
    with pytest.raises(AssertionError):
        expect_texts(page, {".subject": "x"})
    expect(page.locator(".subject img")).to_have_count(1)
    assert any("Content Security Policy" in fault for fault in window.faults)
    page.evaluate("pwned()")
    assert page.evaluate("window.ran") == [1]
