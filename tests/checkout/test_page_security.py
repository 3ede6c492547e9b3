"""What the payer's pages allow a browser, and whom: scripts, frames, cookies, and how often anybody may ask."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from django.conf import settings as platform
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from acquiring import api as acquiring
from acquiring.contracts import CashierStyle
from acquiring.services import cashier_looks
from checkout import page_scripts
from checkout.contracts import WrongPaymentPassword
from checkout.look_presenter import luminance, present_look
from paymentplatform.kernel.errors import InvalidRequest, NotFound, RateLimited
from paymentplatform.kernel.throttle import Throttle
from tests.checkout.test_pages import HERE, ROOT, Standin, browser, make_order, standin, text_of
from tests.makers import make_merchant

__all__ = ["browser", "standin"]
STATIC = ROOT / "checkout" / "static"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()
LOGO = f"data:image/png;base64,{PIXEL}"


def integrity_of(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


# -- scripts (PCI DSS 6.4.3) -------------------------------------------------------------------------------------


def test_the_inventory_holds_every_script_as_it_is() -> None:
    """After a wished change: look at the script, then write its new hash into checkout/page_scripts.py."""
    for script in page_scripts.INVENTORY:
        content = (STATIC / script.path).read_bytes()
        assert integrity_of(content) == script.integrity, script.path
        assert integrity_of(content + b" ") != script.integrity
        assert len(script.purpose) > 20
    kept = {str(path.relative_to(STATIC)) for path in STATIC.rglob("*.js")}
    assert kept == {script.path for script in page_scripts.INVENTORY}


def test_no_template_names_a_script_of_its_own() -> None:
    pages = [ROOT / "templates" / "base.html"]
    for folder in ("cashier", "agreements"):
        pages += (ROOT / "templates" / folder).rglob("*.html")
    found = [tag for page in pages for tag in re.findall("<script[^>]*>", page.read_text("utf-8"))]
    assert len(found) == 1
    assert "page_script.path" in found[0]
    assert "page_script.integrity" in found[0]


def test_a_page_runs_the_inventorys_script_only(standin: Standin, browser: Client) -> None:
    nonces = set()
    for _ in range(2):
        answer = browser.get(HERE)
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in answer.headers["Content-Security-Policy"].split(";")
        )
        (nonce,) = re.findall(r"^'nonce-([\w+/=-]{16,})'$", policy["script-src"])
        assert f'integrity="{page_scripts.CASHIER.integrity}" nonce="{nonce}"' in text_of(answer)
        nonces.add(nonce)
    assert len(nonces) == 2


# -- frames and the merchant's look ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["", "/result"])
def test_only_the_merchants_own_pages_may_frame(
    standin: Standin, browser: Client, page: str
) -> None:
    standin.found = (
        make_order("SUCCESS", payment=("PAID", "BALANCE", None)) if page else make_order()
    )
    answer = browser.get(HERE + page)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    standin.style = CashierStyle(embed_origins=("https://a.example", "https://b.example:8443"))
    answer = browser.get(HERE + page)
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors https://a.example https://b.example:8443;" in policy + ";"
    assert "script-src 'nonce-" in policy
    assert "X-Frame-Options" not in answer.headers


def test_colour_and_logo_come_from_the_merchant(standin: Standin, browser: Client) -> None:
    assert "<style" not in text_of(browser.get(HERE))
    standin.style = CashierStyle("#ffd400", LOGO)
    page = text_of(browser.get(HERE))
    assert re.search(r'<style nonce="[^"]+">:root \{ --panel: #ffd400; --panel-ink: #000000;', page)
    assert f'src="{LOGO}"' in page


def test_the_first_page_is_small_with_the_largest_logo(standin: Standin, browser: Client) -> None:
    picture = b"\x89PNG\r\n\x1a\n".ljust(cashier_looks.MAX_LOGO_BYTES, b"0")
    logo = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    standin.style = CashierStyle("#ffd400", logo)
    page = browser.get(HERE).content
    assert logo.encode() in page
    static = [STATIC / "checkout" / name for name in ("cashier.css", "cashier.js", "mark.svg")]
    assert len(page) + sum(len(path.read_bytes()) for path in static) < 60_000


@given(st.integers(0, 0xFFFFFF))
def test_words_stay_readable_on_any_colour(number: int) -> None:
    colour = f"#{number:06x}"
    lights = sorted([luminance(colour), luminance(present_look(CashierStyle(colour))["ink"])])
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def style_of(merchant_no: str) -> CashierStyle:
    cashier_looks._styles.forget()
    return acquiring.find_cashier_style(merchant_no=merchant_no)


def test_the_look_is_kept_whole_or_not_at_all() -> None:
    merchant_no = make_merchant()["merchant_no"]
    assert style_of(merchant_no) == CashierStyle()
    acquiring.set_cashier_look(
        merchant_no=merchant_no,
        colour="#A0B1C2",
        logo=LOGO,
        embed_origins=("https://Shop.example",),
    )
    kept = CashierStyle("#a0b1c2", LOGO, ("https://shop.example",))
    assert style_of(merchant_no) == kept
    wrong: list[dict[str, Any]] = [
        {"colour": "red"},
        {"colour": "#12345"},
        {"colour": "#000000;} body{"},
        {"logo": "https://shop.example/logo.png"},
        {"logo": "data:image/svg+xml;base64,PHN2Zy8+"},
        {"logo": "data:image/png;base64,PHN2Zy8+"},
        {"logo": f'{LOGO}" onerror="x'},
        {
            "logo": "data:image/png;base64,"
            + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 12_288).decode()
        },
        {"embed_origins": ("*",)},
        {"embed_origins": ("https://a.example; script-src *",)},
        {"embed_origins": tuple(f"https://{n}.example" for n in range(11))},
    ]
    for change in wrong:
        with pytest.raises(InvalidRequest):
            acquiring.set_cashier_look(merchant_no=merchant_no, **change)
        assert style_of(merchant_no) == kept, change
    with pytest.raises(NotFound):
        acquiring.set_cashier_look(merchant_no="mch_00000000000000000000000")


# -- cookies -----------------------------------------------------------------------------------------------------


def test_every_cookie_is_for_this_host_alone(
    standin: Standin, browser: Client, settings: Any
) -> None:
    settings.COOKIE_PREFIX, settings.SESSION_COOKIE_SECURE = "__Host-", True
    settings.CSRF_COOKIE_NAME, settings.CSRF_COOKIE_SECURE = "__Host-csrftoken", True
    browser.get(f"{HERE}?lang=en")
    browser.post(f"{HERE}/pay", {"method": "BALANCE"})
    browser.post(f"{HERE}/pay", {"method": "QR_CODE"})
    browser.get(HERE)
    names = {re.sub("refusal_.*", "refusal", name) for name in browser.cookies}
    assert names == {
        f"__Host-{name}" for name in ("language", "csrftoken", "refusal", "cashier_method")
    }
    for kept in browser.cookies.values():
        assert (kept["secure"], kept["httponly"], kept["path"], kept["domain"]) == (
            True,
            True,
            "/",
            "",
        )
        assert kept["samesite"] == "Lax"


def test_production_names_its_cookies_so() -> None:
    text = (ROOT / "paymentplatform" / "settings" / "security.py").read_text("utf-8")
    assert 'COOKIE_PREFIX = "__Host-" if in_production else ""' in text
    for name in (
        platform.SESSION_COOKIE_NAME,
        platform.CSRF_COOKIE_NAME,
        platform.LANGUAGE_COOKIE_NAME,
    ):
        assert f'f"{{COOKIE_PREFIX}}{name}"' in text


# -- how often ---------------------------------------------------------------------------------------------------


def test_passwords_of_a_page_are_throttled(standin: Standin, browser: Client) -> None:
    standin.answer = WrongPaymentPassword()
    sent = {"method": "BALANCE", "payer_no": "pyr_x", "payment_password": "guess"}
    for _ in range(10):
        assert browser.post(f"{HERE}/pay", sent).status_code == 303
    refused = browser.post(f"{HERE}/pay", sent)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert len(standin.paid) == 10
    browser.post(f"{HERE}/pay", {"method": "QR_CODE"})
    assert len(standin.paid) == 11, "other ways to pay go on"


def test_presses_of_pay_are_throttled(standin: Standin, browser: Client) -> None:
    """Whoever has the link could have payments begun and closed at institutions without end."""
    for _ in range(20):
        assert browser.post(f"{HERE}/pay", {"method": "QR_CODE"}).status_code == 303
    refused = browser.post(f"{HERE}/pay", {"method": "WALLET"})
    assert (refused.status_code, len(standin.paid)) == (429, 20)


def test_polls_of_an_order_are_throttled(standin: Standin, browser: Client) -> None:
    standin.found = make_order("PAYING", payment=("PAYING", "QR_CODE", None))
    for _ in range(10):
        assert browser.get(f"{HERE}/status").status_code == 200
    refused = browser.get(f"{HERE}/status")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_throttle_leaks_and_forgets() -> None:
    now = [0.0]
    throttle = Throttle(name="test", at_once=2, per_minute=60, clock=lambda: now[0])
    throttle.admit("a")
    throttle.admit("a")
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            throttle.admit("a")
        assert refused.value.retry_after_s == 1
    throttle.admit("b")
    now[0] += 1
    throttle.admit("a")
    with pytest.raises(RateLimited):
        throttle.admit("a")
