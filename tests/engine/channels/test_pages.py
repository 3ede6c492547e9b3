"""The institution's pages, without a browser and without JavaScript."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from engine.channels.base import Capability, Channel, Outcome, PayRequest
from engine.channels.sandbox.institution.scenarios import TEST_CARDS
from engine.channels.sandbox.institution.words import BANKS, WALLETS
from tests.engine.channels.conftest import Requests, build_channels
from tests.engine.channels.requests import make_request, reference
from tests.environment import ROOT
from tests.institution_process import InstitutionProcess


@dataclass(frozen=True)
class Page:
    status: int
    headers: dict[str, str]
    text: str


def fetch(url: str, form: dict[str, str] | None = None, language: str = "en", **more: str) -> Page:
    """Open a page, or send its form; ``more`` are headers (``Sec_Fetch_Dest``)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    body = None if form is None else urlencode(form)
    headers = {"Accept-Language": language, "Content-Type": "application/x-www-form-urlencoded"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request("GET" if form is None else "POST", target, body=body, headers=headers)
    answer = connection.getresponse()
    page = Page(answer.status, dict(answer.getheaders()), answer.read().decode())
    connection.close()
    return page


def open_page(channel: Channel, request: PayRequest) -> str:
    """Start a payment and return the address of the payer's page."""
    action = channel.pay(request).action
    assert action is not None
    return action.qr_content or action.url or ""


@pytest.mark.parametrize(("language", "word"), [("zh-CN,zh;q=0.9", "确认付款"), ("en-GB", "Pay")])
def test_the_phone_page_shows_what_is_paid(
    sandbox: Channel, new_request: Requests, language: str, word: str
):
    url = open_page(sandbox, new_request(amount=123456))
    page = fetch(url, language=language)
    assert page.status == 200
    assert word in page.text
    assert "1,234.56" in page.text
    assert "龙井茶 &lt;250 g&gt;" in page.text
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=.?https?:", page.text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    other = fetch(url + "?lang=" + ("en" if word == "确认付款" else "zh"), language=language)
    assert word not in other.text


@pytest.mark.parametrize(
    ("decision", "outcome", "word"),
    [("pay", Outcome.SUCCEEDED, "Paid"), ("decline", Outcome.FAILED, "Nothing was charged")],
)
def test_the_phone_pays_or_declines_once(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    decision: str,
    outcome: Outcome,
    word: str,
):
    request = new_request()
    url = open_page(sandbox, request)
    answer = fetch(url, {"decision": decision})
    assert answer.status == 303
    for _ in range(2):
        fetch(url, {"decision": "pay"})
        page = fetch(institution.url + answer.headers["Location"])
        assert word in page.text
        assert "<form" not in page.text
    assert sandbox.query(reference(request)).outcome is outcome


def test_a_closed_payment_has_no_form(sandbox: Channel, new_request: Requests):
    request = new_request()
    url = open_page(sandbox, request)
    sandbox.close(reference(request))
    page = fetch(url)
    assert "This payment is closed" in page.text
    assert "<form" not in page.text


def test_a_wrong_address_shows_nothing(institution: InstitutionProcess):
    for path in ("/phone/x", "/phone/", "/phone", "/phone/a/b", "/card/..%2f"):
        assert fetch(institution.url + path).status == 404


def test_the_wallet_asks_to_log_in_first(sandbox: Channel, new_request: Requests):
    request = new_request(method="WALLET")
    url = open_page(sandbox, request)
    assert 'name="password"' in fetch(url).text
    login = fetch(url, {"decision": "login", "account": "a", "password": "b"})
    confirm = url.rsplit("/wallet/")[0] + login.headers["Location"]
    assert 'name="password"' not in fetch(confirm).text
    assert sandbox.query(reference(request)).outcome is Outcome.PENDING
    done = fetch(confirm, {"decision": "pay"})
    assert (done.status, done.headers["Location"]) == (303, request.return_url)
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_each_bank_has_its_page(sandbox: Channel, new_request: Requests):
    for code, name in (("ICBC", "ICBC"), ("CMB", "CMB")):
        request = new_request(method="NET_BANKING", options={"bank_code": code})
        url = open_page(sandbox, request)
        assert name in fetch(url).text
        assert fetch(url, {"decision": "pay"}).headers["Location"] == request.return_url
        assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("number", "outcome", "failure_code"),
    [
        ("4242 4242 4242 4242", Outcome.SUCCEEDED, None),
        ("4000000000000002", Outcome.FAILED, "declined"),
        ("4000000000009995", Outcome.FAILED, "insufficient_funds"),
        ("4000000000000119", Outcome.SUCCEEDED, None),
        ("4111111111111111", Outcome.PENDING, None),
    ],
)
def test_card_numbers_decide(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    number: str,
    outcome: Outcome,
    failure_code: str | None,
):
    request = new_request(method="BANK_CARD")
    url = open_page(sandbox, request)
    card = {"number": number, "expiry": "12/30", "code": "123"}
    page = fetch(url, {"decision": "pay", **card})
    if outcome is Outcome.PENDING:
        assert "not valid" in page.text
    answer = sandbox.query(reference(request))
    assert (answer.outcome, answer.failure_code) == (outcome, failure_code)
    [charge] = institution.book(order_no=request.order_no, full="1")["charges"]
    assert number.replace(" ", "") not in str(charge)


def test_3d_secure_asks_for_a_code_on_the_page(sandbox: Channel, new_request: Requests):
    request = new_request(method="BANK_CARD")
    url = open_page(sandbox, request)
    step = fetch(url, {"decision": "pay", "number": "4000000000003220"})
    assert step.headers["Location"].startswith("/3ds/")
    assert sandbox.query(reference(request)).outcome is Outcome.PENDING
    code_url = url.rsplit("/card/")[0] + step.headers["Location"]
    assert "one-time-code" in fetch(code_url).text
    card_again = fetch(url, {"decision": "pay", "number": "4000000000003220", "code": "123"})
    assert card_again.headers["Location"] == step.headers["Location"]
    assert "one-time-code" in fetch(code_url, {"decision": "pay", "one_time_code": " "}).text
    assert sandbox.query(reference(request)).outcome is Outcome.PENDING
    answer = fetch(code_url, {"decision": "pay", "one_time_code": "1"})
    assert answer.headers["Location"] == request.return_url
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_3d_secure_by_token_redirects(sandbox: Channel, new_request: Requests):
    request = new_request(token="tok_3ds")
    url = open_page(sandbox, request)
    assert "/3ds/" in url
    fetch(url, {"decision": "decline"})
    assert sandbox.query(reference(request)).outcome is Outcome.FAILED


def test_an_insufficient_card_by_token(sandbox: Channel, new_request: Requests):
    answer = sandbox.pay(new_request(token="tok_insufficient_funds"))
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "insufficient_funds")


def test_the_payee_is_the_merchant(sandbox: Channel, new_request: Requests):
    named = fetch(open_page(sandbox, new_request(payee="Tea House <Lu & Co>"))).text
    assert "Tea House &lt;Lu &amp; Co&gt;" in named
    assert "Demo payment platform" not in named
    assert "Demo payment platform" in fetch(open_page(sandbox, new_request())).text


def test_the_banks_are_listed_and_each_leads_to_its_page(sandbox: Channel, new_request: Requests):
    for option in sandbox.payment_options[Capability.NET_BANKING]:
        request = new_request(method="NET_BANKING")
        url = open_page(sandbox, request)
        assert "/banks/" in url
        assert option.name_en in fetch(url).text
        assert option.name_zh in fetch(url, language="zh").text
        step = fetch(url, {"bank": option.code})
        bank_url = url.rsplit("/banks/")[0] + step.headers["Location"]
        assert f"<h1>{option.name_en}</h1>" in fetch(bank_url).text
        assert sandbox.query(reference(request)).outcome is Outcome.PENDING
        assert fetch(bank_url, {"decision": "pay"}).headers["Location"] == request.return_url
        assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_a_bank_that_is_not_listed_leads_nowhere(sandbox: Channel, new_request: Requests):
    request = new_request(method="NET_BANKING")
    url = open_page(sandbox, request)
    fetch(url, {"bank": "NOBODY"})
    assert "Choose your bank" in fetch(url).text
    for method, name in (("NET_BANKING", "bank_code"), ("WALLET", "wallet_code")):
        answer = sandbox.pay(new_request(method=method, options={name: "NOBODY"}))
        assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "request_refused")


def test_wallets_have_their_names(sandbox: Channel, new_request: Requests):
    for option in sandbox.payment_options[Capability.WALLET]:
        request = new_request(method="WALLET", options={"wallet_code": option.code})
        assert f"<h1>{option.name_en}</h1>" in fetch(open_page(sandbox, request)).text


def test_the_adapter_lists_what_the_institution_has(sandbox: Channel):
    for capability, names in ((Capability.NET_BANKING, BANKS), (Capability.WALLET, WALLETS)):
        listed = {
            option.code: (option.name_zh, option.name_en)
            for option in sandbox.payment_options[capability]
        }
        assert listed == names


def test_the_card_page_lists_the_test_cards_and_so_does_its_readme(
    sandbox: Channel, new_request: Requests
):
    text = fetch(open_page(sandbox, new_request(method="BANK_CARD"))).text
    readme = (ROOT / "engine/channels/sandbox/README.md").read_text("utf-8")
    for number in TEST_CARDS:
        spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
        assert spaced in text
        assert number in readme


def test_the_card_page_may_be_framed_by_the_platform_alone(tmp_path: Path):
    institution = InstitutionProcess(tmp_path / "book.sqlite3", base_url="https://pay.example")
    institution.start()
    try:
        channel = build_channels(institution)["sandbox"]
        for method, ancestors in (
            ("BANK_CARD", "frame-ancestors https://pay.example"),
            ("WALLET", "frame-ancestors 'none'"),
            ("QR_CODE", "frame-ancestors 'none'"),
        ):
            page = fetch(open_page(channel, make_request(method=method)))
            assert page.headers["Content-Security-Policy"].endswith(ancestors)
            assert "X-Frame-Options" not in page.headers
    finally:
        institution.kill()


def test_in_a_frame_it_ends_inside_and_leads_the_whole_window_back(
    sandbox: Channel, new_request: Requests
):
    request = new_request(method="BANK_CARD")
    url = open_page(sandbox, request)
    wrong = fetch(url, {"decision": "pay", "number": "1"}, Sec_Fetch_Dest="iframe")
    assert (wrong.status, "not valid" in wrong.text) == (200, True)
    card = {"decision": "pay", "number": "4242424242424242"}
    step = fetch(url, card, Sec_Fetch_Dest="iframe").headers["Location"]
    assert step.startswith("/card/")
    ending = fetch(url.rsplit("/card/")[0] + step, Sec_Fetch_Dest="iframe").text
    assert "Paid" in ending
    assert f'target="_top" href="{request.return_url}"' in ending
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_a_payer_may_choose_by_hand_what_happens(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    for scenario, status in (
        ("decline", "FAILED"),
        ("amount_mismatch", "SUCCEEDED"),
        ("", "SUCCEEDED"),
    ):
        request = new_request(method="WALLET")
        url = open_page(sandbox, request) + "?step=confirm"
        assert 'value="amount_mismatch"' in fetch(url).text
        fetch(url, {"decision": "pay", "scenario": scenario})
        [charge] = institution.book(order_no=request.order_no)["charges"]
        short = 1 if scenario == "amount_mismatch" else 0
        assert (charge["status"], charge["amount"]) == (status, request.amount - short)
    request = new_request()
    fetch(open_page(sandbox, request), {"decision": "pay", "scenario": "no such thing"})
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED
