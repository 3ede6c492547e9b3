"""The payer's pages over stand-in services: every state of an order, both languages, every refusal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_python
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.core import signing
from django.test import Client
from django.utils.translation import override, templatize
from msgspec.structs import replace

from acquiring.contracts import (
    CashierOrder,
    CashierStyle,
    CloseReason,
    Method,
    OrderAlreadyPaid,
    OrderClosed,
    OrderStatus,
    OrderView,
    PaymentInProgress,
    PaymentView,
)
from checkout import devices, presenters
from checkout.contracts import (
    MethodOffer,
    MethodUnavailable,
    Option,
    PayAction,
    PaymentPasswordLocked,
    PayResult,
    WrongPaymentPassword,
)
from checkout.presenters import Stage
from checkout.services import acceptance, cashier, consult
from checkout.views import cashier as views
from paymentplatform.kernel.errors import NotFound, RateLimited, Unavailable
from paymentplatform.kernel.throttle import Throttle

TOKEN = "Tok_of-an-order"
PAYMENT_NO = "pay_01k9zq3f7xw8v5m2n4p6r8"
HERE = f"/cashier/{TOKEN}"
WAIT = f"{HERE}/payments/{PAYMENT_NO}"
QR = "http://127.0.0.1:8100/phone/x?<script>"
ROOT = Path(__file__).resolve().parents[2]


def make_order(
    status: str = "INIT", *, payment: tuple[str, str, str | None] | None = None, **changes: Any
) -> CashierOrder:
    """An order as the cashier sees it; ``payment`` is (status, method, failure_code)."""
    order = OrderView(
        order_no="ord_01k9zq3f7xw8v5m2n4p6r8",
        merchant_order_no="SHOP-42",
        status=OrderStatus(status),
        closing=changes.pop("closing", False),
        amount=128_00,
        currency="CNY",
        refunded_amount=0,
        refunding_amount=0,
        subject=changes.pop("subject", "Tea"),
        description=None,
        cashier_url=f"http://testserver{HERE}",
        expires_at="2030-01-01T00:15:00Z",
        created_at="2030-01-01T00:00:00Z",
        paid_at="2030-01-01T00:05:00Z" if status == "SUCCESS" else None,
        closed_at=None,
        close_reason=changes.pop("close_reason", None),
        failure_code=None,
        payment=PaymentView(PAYMENT_NO, *payment, details=[]) if payment else None,
        metadata={},
    )
    found = CashierOrder(
        order=order,
        merchant_no="mch_1",
        merchant_name="Lantern",
        return_url="https://shop.example/done?x=1",
        allowed_methods=None,
        expires_in_s=872,
        cashier_token=TOKEN,
    )
    return replace(found, **changes)


PAYING = {"status": "PAYING", "payment": ("PAYING", "QR_CODE", None)}
FINAL = [
    (make_order("SUCCESS", payment=("PAID", "BALANCE", None)), Stage.PAID),
    (make_order("FAILED", payment=("FAILED", "BALANCE", "declined")), Stage.FAILED),
    (make_order("CLOSED", close_reason=CloseReason.MERCHANT), Stage.CLOSED),
    (make_order("CLOSED", close_reason=CloseReason.OPERATOR), Stage.CLOSED),
    (make_order("CLOSED", close_reason=CloseReason.EXPIRED), Stage.EXPIRED),
    (make_order(expires_in_s=0), Stage.EXPIRED),
]
OFFERS = [
    MethodOffer(Method.QR_CODE, "Scan a QR code", "qr_code", True, None, 1, []),
    MethodOffer(Method.BALANCE, "Wallet balance", "password", True, None, 2, []),
    MethodOffer(
        Method.WALLET,
        "Wallet",
        "redirect",
        True,
        None,
        3,
        [Option("w1", "One"), Option("w2", "Two")],
    ),
    MethodOffer(Method.BANK_CARD, "Bank card", "redirect", False, "no_channel", 4, []),
    MethodOffer(
        Method.NET_BANKING, "Net banking", "redirect", False, "not_allowed_by_merchant", 5, []
    ),
]


class Standin:
    """The services behind the pages: answers what the test sets, remembers what it was asked."""

    def __init__(self) -> None:
        self.found: CashierOrder | Exception = make_order()
        self.action = PayAction(type="none")
        self.answer: PayResult | Exception = PayResult(PAYMENT_NO, "PAYING", None, self.action)
        self.paid: list[dict[str, Any]] = []
        self.inquiries = 0
        self.style = CashierStyle()

    def get_cashier_order(self, *, token: str) -> CashierOrder:
        assert token == TOKEN
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def get_status(self, *, token: str) -> cashier.CashierStatus:
        return cashier.CashierStatus(self.get_cashier_order(token=token), self.action)

    def get_payment_action(self, found: CashierOrder, *, payment_no: str) -> PayResult:
        payment = found.order.payment
        if payment_no not in {PAYMENT_NO, "pay_older"} or payment is None:
            raise NotFound
        return PayResult(payment_no, payment.status, payment.failure_code, self.action)

    def bring_inquiry_forward(self, _found: CashierOrder) -> None:
        self.inquiries += 1

    def pay_from_cashier(self, **arguments: Any) -> PayResult:
        self.paid.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Standin:
    made = Standin()
    for name in ("get_cashier_order", "get_status", "get_payment_action", "bring_inquiry_forward"):
        monkeypatch.setattr(cashier, name, getattr(made, name))
    monkeypatch.setattr(cashier, "get_style", lambda _found: made.style)
    for limits in ("POLLS", "PASSWORDS"):
        fresh = Throttle(name="test", at_once=10, per_minute=10)
        monkeypatch.setattr(views, limits, fresh)
    monkeypatch.setattr(views, "PAYS", Throttle(name="test", at_once=20, per_minute=20))
    monkeypatch.setattr(acceptance, "pay_from_cashier", made.pay_from_cashier)
    monkeypatch.setattr(consult, "list_methods", lambda **_asked: OFFERS)
    return made


@pytest.fixture
def browser() -> Client:
    return Client(headers={"accept-language": "en"}, raise_request_exception=False)


def kept_by(browser: Client, prefix: str) -> str:
    """The value of the one cookie whose name begins so."""
    (value,) = [
        kept.value
        for name, kept in browser.cookies.items()
        if name.startswith(prefix) and kept.value
    ]
    return value


def text_of(response: Any) -> str:
    return response.content.decode()


# -- which page is true ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "stage"), FINAL)
def test_final_pages_contain_no_form_and_say_no_more_than_the_order(
    standin: Standin, browser: Client, found: CashierOrder, stage: Stage
) -> None:
    standin.found = found
    assert presenters.stage_of(found) == stage
    for address in (HERE, f"{HERE}?change=1", f"{HERE}/result"):
        response = browser.get(address)
        assert response.status_code == 200
        assert "<form" not in text_of(response)
        assert f'class="mark {stage}"' in text_of(response)
    assert browser.get(f"{HERE}/status").json() == {
        "status": found.order.status,
        "payment_status": found.order.payment.status if found.order.payment else None,
        "action": {"type": "none"},
        "next_poll_ms": 0,
        "redirect_url": f"{HERE}/result",
    }
    assert standin.inquiries == 0


@pytest.mark.parametrize("page", ["result", f"payments/{PAYMENT_NO}", "return?status=success"])
def test_every_address_leads_to_the_page_that_is_true(
    standin: Standin, browser: Client, page: str
) -> None:
    address = f"{HERE}/{page}"
    standin.found = make_order(payment=("FAILED", "QR_CODE", "declined"))
    assert browser.get(address)["Location"] == HERE
    standin.found = make_order(**PAYING)
    response = browser.get(address)
    assert (response.status_code, response.get("Location")) in {(303, WAIT), (200, None)}
    standin.found = make_order("SUCCESS", payment=("PAID", "QR_CODE", None))
    response = browser.get(address)
    assert (response.status_code, response.get("Location")) in {
        (303, f"{HERE}/result"),
        (200, None),
    }


def test_an_order_that_is_being_paid_shows_the_wait_until_another_way_is_asked_for(
    standin: Standin, browser: Client
) -> None:
    standin.found = make_order(**PAYING)
    assert browser.get(HERE)["Location"] == WAIT
    page = text_of(browser.get(f"{HERE}?change=1"))
    assert "A payment is already under way." in page
    assert f'href="{WAIT}"' in page
    older = browser.get(f"{HERE}/payments/pay_older")
    assert older["Location"] == WAIT


def test_a_paying_order_past_its_time_is_processing_and_never_expired(
    standin: Standin, browser: Client
) -> None:
    standin.found = make_order(**PAYING, expires_in_s=-30)
    standin.action = PayAction(type="qr_code", qr_content=QR)
    page = text_of(browser.get(WAIT))
    assert "Your payment is being processed" in page
    assert 'class="qr"' not in page
    assert not re.search("failed|expired", re.sub("<[^>]*>", "", page), re.IGNORECASE)


def test_an_order_that_is_being_closed_takes_no_payment_and_polls(
    standin: Standin, browser: Client
) -> None:
    standin.found = make_order(**PAYING, closing=True)
    page = text_of(browser.get(HERE))
    assert "The order is being closed" in page
    assert "<form" not in page
    status = browser.get(f"{HERE}/status").json()
    assert (status["next_poll_ms"], status["redirect_url"]) == (2000, None)


@pytest.mark.parametrize(
    ("status", "late", "words"),
    [
        ("CLOSED", "OPEN", "is being dealt with"),
        ("CLOSED", "REFUNDING", "A refund is under way"),
        ("CLOSED", "REFUNDED", "It has been returned"),
        ("CLOSED", "HONOURED", "The shop has accepted it"),
        ("SUCCESS", "OPEN", "You pay only once: the rest is safe"),
        ("SUCCESS", "REFUNDED", "the rest has been returned"),
        ("CLOSED", None, ""),
    ],
)
def test_late_money_is_told(
    standin: Standin, browser: Client, status: str, late: str | None, words: str
) -> None:
    standin.found = make_order(
        status,
        payment=("PAID" if status == "SUCCESS" else "FAILED", "QR_CODE", None),
        close_reason=CloseReason.EXPIRED,
        late_money=late,
    )
    page = text_of(browser.get(f"{HERE}/result"))
    assert words in page
    assert ('class="notice"' in page) == (late is not None)


# -- choosing and paying -----------------------------------------------------------------------------------------


def test_choice_offers_the_available_methods_and_says_why_others_are_not(
    standin: Standin, browser: Client
) -> None:
    page = text_of(browser.get(HERE))
    assert re.findall(r'value="([A-Z_]+)"( checked)?', page) == [
        ("QR_CODE", " checked"),
        ("BALANCE", ""),
        ("WALLET", ""),
    ]
    assert "Not available at the moment" in page
    assert "Net banking" not in page
    for part in ("Lantern", "Tea", "CNY", "128.00", "SHOP-42", "14:32", 'data-seconds="872"'):
        assert part in page


@pytest.mark.parametrize(
    ("sent", "reasons", "field"),
    [
        ({"balance_payer_no": "p"}, [], "balance_password"),
        ({"balance_password": "s"}, [], "balance_payer_no"),
        ({"balance_payer_no": "p", "balance_password": "s"}, ["wrong"], "balance_password"),
    ],
)
def test_choice_says_what_the_balance_first_still_needs(
    standin: Standin, browser: Client, sent: dict[str, str], reasons: list[str], field: str
) -> None:
    if reasons:
        standin.answer = WrongPaymentPassword()
    response = browser.post(f"{HERE}/pay", {"method": "QR_CODE", "use_balance": "on", **sent})
    assert (response.status_code, len(standin.paid)) == (303, len(reasons))
    page = text_of(browser.get(response["Location"]))
    assert 'name="use_balance" id="use_balance" checked' in page
    assert f'id="{field}-error"' in page
    assert 'value="s"' not in page


def test_a_tick_left_over_does_not_move_the_words_of_a_wrong_password(
    standin: Standin, browser: Client
) -> None:
    """The choice "balance first" is hidden while the balance alone is chosen, and so would its words be."""
    standin.answer = WrongPaymentPassword()
    sent = {"method": "BALANCE", "use_balance": "on", "payer_no": "p", "payment_password": "s"}
    page, _ = refuse(standin, browser, sent)
    assert 'id="payment_password-error"' in page
    assert 'id="balance_password-error"' not in page


def test_waiting_for_a_card_frames_the_banks_own_page_only(
    standin: Standin, browser: Client, settings: Any
) -> None:
    standin.found = make_order("PAYING", payment=("PAYING", "BANK_CARD", None))
    standin.action = PayAction(type="redirect", url="https://bank.example/card?t=1")
    settings.CHANNEL_PAGE_ORIGINS = ["https://bank.example"]
    assert '<iframe class="card-frame" src="https://bank.example/card?t=1"' in text_of(
        browser.get(WAIT)
    )
    settings.CHANNEL_PAGE_ORIGINS = ["https://bank.example.evil"]
    page = text_of(browser.get(WAIT))
    assert "<iframe" not in page
    assert 'href="https://bank.example/card?t=1"' in page


def test_choice_without_any_method_has_no_form(
    standin: Standin, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consult, "list_methods", lambda **_asked: OFFERS[3:])
    page = text_of(browser.get(HERE))
    assert "There is no way to pay this order at the moment" in page
    assert "<form" not in page


def test_before_paying_there_is_a_plain_way_back_to_the_shop(
    standin: Standin, browser: Client
) -> None:
    page = text_of(browser.get(HERE))
    (link,) = re.findall(r'<a class="link" href="(https://shop[^"]*)"[^>]*>([^<]+)</a>', page)
    assert link == ("https://shop.example/done?x=1", "Return to Lantern")
    for address in ("", "javascript:alert(1)"):
        standin.found = make_order(return_url=address)
        assert "Return to Lantern" not in text_of(browser.get(HERE))


def test_text_of_merchants_is_only_text(standin: Standin, browser: Client) -> None:
    evil = "<script>alert(1)</script>"
    standin.found = make_order(subject=evil, merchant_name=evil, return_url="javascript:alert(1)")
    assert evil not in text_of(browser.get(HERE))
    standin.found = make_order(
        "SUCCESS", payment=("PAID", "X", None), return_url="javascript:alert(1)", merchant_name=evil
    )
    page = text_of(browser.get(HERE))
    assert evil not in page
    assert "javascript:" not in page


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        (
            {"method": "QR_CODE", "payer_no": "p", "payment_password": "s", "amount": "1"},
            {
                "method": "QR_CODE",
                "options": {},
                "payer_no": None,
                "payment_password": None,
                "use_balance": False,
            },
        ),
        (
            {
                "method": "QR_CODE",
                "use_balance": "on",
                "payer_no": "other",
                "balance_payer_no": "PYR_0 1K\u00a09",
                "balance_password": " s ",
            },
            {
                "method": "QR_CODE",
                "options": {},
                "payer_no": "pyr_01k9",
                "payment_password": " s ",
                "use_balance": True,
            },
        ),
        (
            {
                "method": "BALANCE",
                "payer_no": " p ",
                "payment_password": " s ",
                "wallet_code": "w1",
            },
            {
                "method": "BALANCE",
                "options": {},
                "payer_no": "p",
                "payment_password": " s ",
                "use_balance": False,
            },
        ),
        (
            {"method": "WALLET", "wallet_code": "w2", "bank_code": "b"},
            {
                "method": "WALLET",
                "options": {"wallet_code": "w2"},
                "payer_no": None,
                "payment_password": None,
                "use_balance": False,
            },
        ),
    ],
)
def test_pay_passes_on_what_belongs_to_the_method_and_nothing_else(
    standin: Standin, browser: Client, sent: dict[str, str], given: dict[str, Any]
) -> None:
    response = browser.post(f"{HERE}/pay", sent)
    assert (response.status_code, response["Location"]) == (303, WAIT)
    where = {"token": TOKEN, "terminal": "WEB", "payer_ip": "127.0.0.1"}
    assert standin.paid == [where | given]
    chosen = re.search(r'value="(\w+)" checked', text_of(browser.get(HERE)))
    assert chosen is not None
    assert chosen[1] == sent["method"], "the browser remembers the method"


@pytest.mark.parametrize(
    ("status", "address"),
    [("PAID", f"{HERE}/result"), ("FAILED", HERE), ("PAYING", WAIT)],
)
def test_pay_sends_the_browser_on_by_get(
    standin: Standin, browser: Client, status: str, address: str
) -> None:
    standin.answer = PayResult(PAYMENT_NO, status, None, PayAction(type="none"))
    response = browser.post(f"{HERE}/pay", {"method": "QR_CODE"})
    assert (response.status_code, response["Location"]) == (303, address)


def refuse(standin: Standin, browser: Client, sent: dict[str, str]) -> tuple[str, str]:
    """Post, follow to the page that says why, and return it with the page of the reload after."""
    response = browser.post(f"{HERE}/pay", sent)
    assert (response.status_code, response["Location"]) == (303, f"{HERE}?change=1")
    return text_of(browser.get(response["Location"])), text_of(browser.get(HERE))


@pytest.mark.parametrize("error", [WrongPaymentPassword(), PaymentPasswordLocked()])
def test_wrong_and_locked_passwords_read_the_same_and_are_shown_once(
    standin: Standin, browser: Client, error: Exception
) -> None:
    standin.answer = error
    sent = {"method": "BALANCE", "payer_no": "pyr_x", "payment_password": "hunter2-secret"}
    page, reloaded = refuse(standin, browser, sent)
    words = "The payer number or the payment password is not right, or paying by balance is locked"
    assert words in page
    assert 'value="BALANCE" checked' in page
    assert 'value="pyr_x"' in page
    assert "hunter2" not in page
    assert words not in reloaded
    browser.post(f"{HERE}/pay", sent)
    kept = signing.loads(kept_by(browser, "refusal_"), salt=TOKEN)
    assert kept["entered"]["payer_no"] == "pyr_x"
    assert "hunter2" not in str(kept), "the password is never kept"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Please choose how to pay."),
        ({"method": "CASH"}, "Please choose how to pay."),
        ({"method": "BALANCE", "payment_password": "x"}, "Please enter your payer number."),
        ({"method": "BALANCE", "payer_no": "x"}, "Please enter your payment password."),
    ],
)
def test_an_incomplete_form_is_asked_again_and_pays_nothing(
    standin: Standin, browser: Client, sent: dict[str, str], words: str
) -> None:
    page, _reloaded = refuse(standin, browser, sent)
    assert words in page
    assert standin.paid == []


def test_an_unavailable_method_is_told(standin: Standin, browser: Client) -> None:
    standin.answer = MethodUnavailable("no_channel")
    page, _reloaded = refuse(standin, browser, {"method": "BANK_CARD"})
    assert "This way to pay is not available for the order." in page


@pytest.mark.parametrize("error", [OrderAlreadyPaid(), OrderClosed()])
def test_paying_an_ended_order_leads_to_its_truth(
    standin: Standin, browser: Client, error: Exception
) -> None:
    standin.answer = error
    assert browser.post(f"{HERE}/pay", {"method": "QR_CODE"})["Location"] == HERE


def test_a_payment_that_cannot_be_stopped_is_shown(standin: Standin, browser: Client) -> None:
    standin.found = make_order(**PAYING)
    standin.answer = PaymentInProgress()
    response = browser.post(
        f"{HERE}/pay", {"method": "BALANCE", "payer_no": "p", "payment_password": "s"}
    )
    assert response["Location"] == f"{WAIT}?notice=in_progress"
    assert "could not be stopped with certainty" in text_of(browser.get(response["Location"]))


def test_pay_needs_the_token_of_the_form(standin: Standin) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"{HERE}/pay", {"method": "QR_CODE"}).status_code == 403
    assert standin.paid == []


def test_pay_by_get_only_shows_the_order(standin: Standin, browser: Client) -> None:
    assert browser.get(f"{HERE}/pay")["Location"] == HERE
    assert standin.paid == []


def test_a_declined_try_is_told_with_the_way_on(standin: Standin, browser: Client) -> None:
    standin.found = make_order(payment=("FAILED", "BALANCE", "insufficient_balance"))
    page = text_of(browser.get(HERE))
    assert "The last try did not go through." in page
    assert "There is not enough money in the wallet." in page
    assert "<form" in page


# -- waiting -----------------------------------------------------------------------------------------------------


def test_the_qr_page_draws_the_code_and_writes_its_address(
    standin: Standin, browser: Client
) -> None:
    standin.found = make_order(**PAYING)
    standin.action = PayAction(type="qr_code", qr_content=QR)
    page = text_of(browser.get(WAIT))
    assert 'class="qr"><path' in page
    assert 'role="img" aria-label="QR code' in page
    assert 'href="http://127.0.0.1:8100/phone/x?&lt;script&gt;"' in page
    assert f'<meta http-equiv="refresh" content="5; url={WAIT}">' in page
    assert standin.inquiries == 1


def test_qr_content_that_is_no_web_address_becomes_text(standin: Standin, browser: Client) -> None:
    standin.found = make_order(**PAYING)
    standin.action = PayAction(type="qr_code", qr_content="weixin://wxpay/bizpayurl?pr=x")
    page = text_of(browser.get(WAIT))
    assert "weixin://wxpay/bizpayurl?pr=x</code>" in page
    assert 'href="weixin' not in page


@pytest.mark.parametrize(
    ("action", "part"),
    [
        (PayAction(type="redirect", url="https://bank.example/x"), 'href="https://bank.example/x"'),
        (
            PayAction(type="form", url="https://bank.example/x", fields={"a": "<1>"}),
            'name="a" value="&lt;1&gt;"',
        ),
        (PayAction(type="redirect", url="javascript:alert(1)"), "Your payment is being processed"),
        (PayAction(type="none"), "Your payment is being processed"),
    ],
)
def test_the_wait_page_shows_what_the_payer_does_next(
    standin: Standin, browser: Client, action: PayAction, part: str
) -> None:
    standin.found = make_order(**PAYING)
    standin.action = action
    page = text_of(browser.get(WAIT))
    assert part in page
    assert "javascript:" not in page


def test_status_slows_down_and_tells_of_another_payment(standin: Standin, browser: Client) -> None:
    standin.found = make_order(**PAYING)
    standin.action = PayAction(type="qr_code", qr_content=QR)
    asked = f"{HERE}/status?payment_no={PAYMENT_NO}&polls="
    delays = [browser.get(asked + polls).json()["next_poll_ms"] for polls in ("0", "20", "99", "x")]
    assert delays == [2000, 5000, 10_000, 2000]
    assert browser.get(asked + "1").json() == {
        "status": "PAYING",
        "payment_status": "PAYING",
        "action": {"type": "qr_code", "qr_content": QR},
        "next_poll_ms": 2000,
        "redirect_url": None,
    }
    other = browser.get(f"{HERE}/status?payment_no=pay_older").json()
    assert other["redirect_url"] == WAIT
    standin.found = make_order(payment=("FAILED", "QR_CODE", "declined"))
    assert browser.get(asked).json()["redirect_url"] == HERE


# -- what goes wrong, and what surrounds every page --------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFound(), 404, "We cannot find this order"),
        (RateLimited(retry_after_s=7), 429, "One moment, please"),
        (Unavailable(), 503, "your payment may have gone through"),
    ],
)
def test_problems_have_friendly_words(
    standin: Standin, browser: Client, error: Exception, status: int, words: str
) -> None:
    standin.found = error
    for page in ("", "/result", f"/payments/{PAYMENT_NO}"):
        response = browser.get(HERE + page)
        assert response.status_code == status
        assert words in text_of(response)
        assert "<form" not in text_of(response)
    problem = browser.get(f"{HERE}/status")
    assert (problem.status_code, problem["Content-Type"]) == (status, "application/problem+json")


def test_an_unforeseen_error_gives_a_plain_page(standin: Standin, browser: Client) -> None:
    standin.found = RuntimeError("secret detail")
    response = browser.get(HERE)
    assert response.status_code == 500
    assert "secret detail" not in text_of(response)


@pytest.mark.parametrize("page", ["", "/result", f"/payments/{PAYMENT_NO}", "/status", "/return"])
def test_every_answer_is_unstored_unframed_and_unreferred(
    standin: Standin, browser: Client, page: str
) -> None:
    standin.found = make_order(**PAYING)
    response = browser.get(HERE + page)
    policy = response["Content-Security-Policy"]
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?! src)| style=| on\w+=", text_of(response))


def test_pages_are_small_and_load_nothing_from_elsewhere(standin: Standin, browser: Client) -> None:
    page = text_of(browser.get(HERE))
    static = ROOT / "checkout" / "static"
    linked = re.findall(r'(?:src|href)="([^"]+\.(?:css|js|svg))"', page)
    assert all(address.startswith("/static/checkout/") for address in linked)
    size = len(page) + sum(
        len((static / address.removeprefix("/static/")).read_bytes()) for address in linked
    )
    assert len(linked) == 3
    assert size < 60_000


def test_language_follows_the_browser_until_the_link_chooses(standin: Standin) -> None:
    browser = Client(headers={"accept-language": "zh-CN,zh;q=0.9"})
    page = text_of(browser.get(HERE))
    assert '<html lang="zh-Hans">' in page
    assert "选择支付方式" in page
    assert f'href="{HERE}?lang=en"' in page
    assert "Choose how to pay" in text_of(browser.get(f"{HERE}?lang=en"))
    assert "Choose how to pay" in text_of(browser.get(HERE)), "the cookie remembers"
    assert "选择支付方式" in text_of(browser.get(f"{HERE}?lang=zh-Hans"))
    assert "选择支付方式" in text_of(browser.get(f"{HERE}?lang=xx"))


def test_only_production_is_without_the_test_banner(
    standin: Standin, browser: Client, settings: Any
) -> None:
    assert "Test mode" in text_of(browser.get(HERE))
    settings.PLATFORM_ENV = "production"
    assert "Test mode" not in text_of(browser.get(HERE))


# -- pure parts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://shop.example/x", True),
        ("http://127.0.0.1:8000/", True),
        ("javascript:alert(1)", False),
        ("//evil.example", False),
        ("https:\\\\evil.example", False),
        ("data:text/html,x", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(address: str | None, allowed: bool) -> None:
    assert presenters.is_web_address(address) is allowed


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "00:00"), (61, "01:01"), (3600, "1:00:00"), (-5, "00:00")]
)
def test_time_left(seconds: int, words: str) -> None:
    assert presenters.format_time_left(seconds) == words


def test_times_are_written_in_the_business_time_zone() -> None:
    written = presenters.format_time("2030-01-01T23:05:00.5Z", time_zone="Asia/Shanghai")
    assert written == "2030-01-02 07:05:00 (UTC+08:00)"


@pytest.mark.parametrize(
    ("user_agent", "terminal"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148", "WAP"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/156", "WAP"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/156", "WEB"),
        ("", "WEB"),
    ],
)
def test_terminal_of_a_browser(user_agent: str, terminal: str) -> None:
    assert devices.detect_terminal(user_agent) == terminal


# -- texts -------------------------------------------------------------------------------------------------------

CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_noop": None,
    "gettext_lazy": None,
    "pgettext": ((1, "c"), 2),
}
FOLDERS = ("checkout", "templates", "paymentplatform/demo")


def list_texts() -> set[str]:
    """Every text that the pages ask the catalogue for."""
    texts: set[str] = set()
    for folder in FOLDERS:
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.html")]:
            source = path.read_text("utf-8")
            code = source if path.suffix == ".py" else templatize(source)
            for _line, _name, message, _comments in extract_python(
                io.BytesIO(code.encode()), KEYWORDS, [], {}
            ):
                texts.add((message if isinstance(message, tuple) else (message,))[-1] or "")
    return texts - {""}


def test_every_text_is_translated_and_compiled() -> None:
    with (CATALOGUE / "django.po").open("rb") as written:
        catalogue = read_po(written, locale="zh_Hans")
    with (CATALOGUE / "django.mo").open("rb") as compiled:
        binary = read_mo(compiled)
    translated = {
        message.id: message.string for message in catalogue if message.id and message.string
    }
    missing = {text for text in list_texts() if not translated.get(text)}
    assert missing == set()
    assert {message.id: message.string for message in binary if message.id} == translated
    with override("zh-hans"):
        assert presenters.failure_text("declined") == "银行拒绝了这笔付款，未扣款。"
