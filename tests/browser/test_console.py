"""The operators' console in a real browser: a complaint is understood, a refund needs two people, a case is resolved.

The pictures of the user manual and of docs/operations.md are taken on the way (MANUAL_SCREENSHOTS=1 puts them into
docs/images/manual and docs/operations).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Window
from tests.live import LivePlatform

pytestmark = [pytest.mark.browser, pytest.mark.flow]
Opener = Callable[..., Window]


@pytest.fixture
def enter(platform: LivePlatform, open_window: Opener) -> Callable[..., Window]:
    """``enter("support")`` is somebody in this role, logged in."""

    def log_in(*roles: str, size: str = "desktop", locale: str = "en-US") -> Window:
        who = platform.do("make_operator", roles=list(roles))
        window = open_window(size, locale=locale)
        page = window.page
        page.goto(f"{platform.base_url}/admin/")
        page.fill("#id_username", who["username"])
        page.fill("#id_password", who["password"])
        page.locator("#login-form button[type=submit]").click()
        page.wait_for_url("**/admin/")
        return window

    return log_in


@pytest.fixture
def paid(platform: LivePlatform) -> dict[str, Any]:
    """An order of 800.00 CNY paid by balance, its merchant told."""
    merchant = platform.merchant()
    order = merchant.create(amount=800_00, subject="Tea set")
    token = merchant.payer_token(platform.payer(balance=900_00))
    merchant.pay(order["order_no"], "BALANCE", payer_token=token)
    merchant.wait_for_webhook("order.success")
    return {"order_no": order["order_no"], "merchant": merchant}


def find(page: Page, platform: LivePlatform, number: str) -> None:
    """Search an order by any number, and open it."""
    page.goto(f"{platform.base_url}/admin/acquiring/tradeorder/")
    page.fill("input[name=q]", number)
    page.press("input[name=q]", "Enter")
    page.locator("#result_list a", has_text="ord_").first.click()


def act_link(page: Page, act: str) -> Locator:
    """The button of an act; its icon's name is part of its text."""
    return page.locator("a").filter(has_text=re.compile(rf"{act}\s*$")).first


def press(page: Page, act: str, *, reason: str, **answers: str) -> None:
    """Press an act's button, say why, confirm."""
    act_link(page, act).click()
    for name, value in answers.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=reason]", reason)
    page.get_by_role("button", name="Confirm").click()


def test_a_complaint_is_understood_on_one_page(platform, enter, paid):
    platform.do("roll_up_volumes")
    window = enter("support")
    page = window.page
    expect(page.locator("canvas")).to_be_visible()
    expect(page.get_by_text("Open cases")).to_be_visible()
    window.keep_for_manual("operator-dashboard")
    find(page, platform, paid["order_no"])
    expect(page.get_by_text("Paid at").first).to_be_visible()
    window.keep_for_manual("operator-order")
    act_link(page, "Dossier").click()
    expect(page.locator(".dossier")).to_contain_text("payment_paid")
    window.keep_for_manual("operator-dossier")
    page.fill("[name=reason]", "asked by the payer's bank")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename == f"dossier-{paid['order_no']}.json"
    assert window.faults == []


def test_a_refund_needs_a_second_person(platform, enter, paid):
    support, checker = enter("support"), enter("operator")
    page = support.page
    find(page, platform, paid["order_no"])
    act_link(page, "Propose a refund").click()
    page.fill("[name=amount]", "79999")
    expect(page.locator("output")).to_have_text("= 799.99 CNY")
    page.fill("[name=amount]", "80000")
    expect(page.locator("output")).to_have_text("= 800.00 CNY")
    page.fill("[name=reason]", "the set came broken")
    support.keep_for_operations("refund-form")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("another person must approve")).to_be_visible()
    assert paid["merchant"].order(paid["order_no"])["refunded_amount"] == 0

    page = checker.page
    page.goto(f"{platform.base_url}/admin/console/proposal/?q={paid['order_no']}")
    checker.keep_for_manual("accountant-queue")
    page.locator("#result_list a", has_text="prp_").first.click()
    checker.keep_for_manual("accountant-proposal")
    press(page, "Approve and do it", reason="seen the photograph")
    expect(page.get_by_text("Approved and done")).to_be_visible()
    assert paid["merchant"].order(paid["order_no"])["refunded_amount"] == 800_00
    paid["merchant"].wait_for_webhook("refund.success")
    assert [*support.faults, *checker.faults] == []


def test_a_case_is_resolved_by_two(platform, enter, paid):
    payment = paid["merchant"].order(paid["order_no"])["payment"]
    case_no = platform.do(
        "open_case",
        object_no=payment["payment_no"],
        kind="callback_unmatched",
        detail="said 999 CNY, ours 80000 CNY",
    )
    maker, checker = enter("support"), enter("operator")
    maker.page.goto(f"{platform.base_url}/admin/engine/case/{case_no}/change/")
    maker.keep_for_manual("operator-case")
    press(maker.page, "Propose to resolve it", reason="the bank's test message")
    page = checker.page
    page.goto(f"{platform.base_url}/admin/console/proposal/?q={case_no}")
    page.locator("#result_list a", has_text="prp_").first.click()
    press(page, "Approve and do it", reason="agreed")
    page.goto(f"{platform.base_url}/admin/engine/case/{case_no}/change/")
    expect(page.get_by_text("RESOLVED").first).to_be_visible()
    assert [*maker.faults, *checker.faults] == []


def test_a_channel_is_disabled_by_one_and_enabled_by_two(platform, enter):
    maker, checker = enter("operator"), enter("risk")
    page, address = maker.page, f"{platform.base_url}/admin/engine/knownchannel/sandbox2/change/"
    page.goto(address)
    press(page, "Disable the channel", reason="their books are wrong")
    expect(page.get_by_text("DISABLED").first).to_be_visible()
    maker.keep_for_operations("channel-disabled")
    page.goto(f"{platform.base_url}/admin/")
    expect(page.get_by_text("sandbox2").first).to_be_visible()
    page.goto(address)
    press(page, "Propose to enable it", reason="they mended it")

    page = checker.page
    page.goto(f"{platform.base_url}/admin/console/proposal/?q=sandbox2&status__exact=OPEN")
    page.locator("#result_list a", has_text="prp_").first.click()
    press(page, "Approve and do it", reason="seen their letter")
    page.goto(address)
    expect(page.get_by_text("ENABLED", exact=True).first).to_be_visible()
    assert [*maker.faults, *checker.faults] == []


def test_what_operators_look_at_every_day(platform, enter, paid):
    window = enter("operator", "accountant")
    page = window.page
    for name, address, seen in (
        ("orders", "acquiring/tradeorder/", paid["order_no"]),
        ("channels", "engine/knownchannel/", "sandbox2"),
        ("events", "acquiring/merchantevent/", "order.success"),
        ("nothing-found", "acquiring/tradeorder/?q=ord_0", "Nothing has this number or name"),
        ("settlement", "acquiring/settlementbatch/", "There is nothing here yet"),
        ("journals", "ledger/journal/", "payment_paid"),
        ("audit-log", "console/auditlog/", "Operator"),
    ):
        page.goto(f"{platform.base_url}/admin/{address}")
        expect(page.locator("main, #content, body").first).to_contain_text(seen)
        window.keep_for_operations(name)
    assert window.faults == []


@pytest.mark.parametrize(("size", "locale"), [("phone", "zh-CN"), ("desktop", "zh-CN")])
def test_pages_fit_and_speak_chinese(platform, enter, paid, size, locale):
    window = enter("viewer", size=size, locale=locale)
    page = window.page
    expect(page.get_by_text("未结工单")).to_be_visible()
    window.keep("dashboard-zh")
    for address in (
        "acquiring/tradeorder/",
        f"acquiring/tradeorder/{paid['order_no']}/change/",
        f"dossier/{paid['order_no']}/",
        "engine/knownchannel/sandbox/change/",
        "acquiring/tradeorder/?q=ord_0",
    ):
        page.goto(f"{platform.base_url}/admin/{address}")
        window.keep(address.strip("/").replace("/", "-")[:30])
        assert not window.overflows(), address
    assert window.faults == []
