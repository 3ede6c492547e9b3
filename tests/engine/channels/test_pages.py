"""The institution's pages, without a browser and without JavaScript."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest

from engine.channels.base import Channel, Outcome, PayRequest
from tests.engine.channels.conftest import Requests
from tests.engine.channels.requests import reference
from tests.institution_process import InstitutionProcess


@dataclass(frozen=True)
class Page:
    status: int
    headers: dict[str, str]
    text: str


def _fetch(url: str, form: dict[str, str] | None = None, language: str = "en") -> Page:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    body = None if form is None else urlencode(form)
    headers = {"Accept-Language": language, "Content-Type": "application/x-www-form-urlencoded"}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request("GET" if form is None else "POST", target, body=body, headers=headers)
    answer = connection.getresponse()
    page = Page(answer.status, dict(answer.getheaders()), answer.read().decode())
    connection.close()
    return page


def _open(channel: Channel, request: PayRequest) -> str:
    action = channel.pay(request).action
    assert action is not None
    return action.qr_content or action.url or ""


@pytest.mark.parametrize(("language", "word"), [("zh-CN,zh;q=0.9", "确认付款"), ("en-GB", "Pay")])
def test_the_phone_page_shows_what_is_paid(
    sandbox: Channel, new_request: Requests, language: str, word: str
):
    url = _open(sandbox, new_request(amount=123456))
    page = _fetch(url, language=language)
    assert page.status == 200
    assert word in page.text
    assert "1,234.56" in page.text
    assert "龙井茶 &lt;250 g&gt;" in page.text
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=.?https?:", page.text)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    other = _fetch(url + "?lang=" + ("en" if word == "确认付款" else "zh"), language=language)
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
    url = _open(sandbox, request)
    answer = _fetch(url, {"decision": decision})
    assert answer.status == 303
    for _ in range(2):
        _fetch(url, {"decision": "pay"})
        page = _fetch(institution.url + answer.headers["Location"])
        assert word in page.text
        assert "<form" not in page.text
    assert sandbox.query(reference(request)).outcome is outcome


def test_a_closed_payment_has_no_form(sandbox: Channel, new_request: Requests):
    request = new_request()
    url = _open(sandbox, request)
    sandbox.close(reference(request))
    page = _fetch(url)
    assert "This payment is closed" in page.text
    assert "<form" not in page.text


def test_a_wrong_address_shows_nothing(institution: InstitutionProcess):
    for path in ("/phone/x", "/phone/", "/phone", "/phone/a/b", "/card/..%2f"):
        assert _fetch(institution.url + path).status == 404


def test_the_wallet_asks_to_log_in_first(sandbox: Channel, new_request: Requests):
    request = new_request(method="WALLET")
    url = _open(sandbox, request)
    assert 'name="password"' in _fetch(url).text
    login = _fetch(url, {"decision": "login", "account": "a", "password": "b"})
    confirm = url.rsplit("/wallet/")[0] + login.headers["Location"]
    assert 'name="password"' not in _fetch(confirm).text
    assert sandbox.query(reference(request)).outcome is Outcome.PENDING
    done = _fetch(confirm, {"decision": "pay"})
    assert (done.status, done.headers["Location"]) == (303, request.return_url)
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_each_bank_has_its_page(sandbox: Channel, new_request: Requests):
    for code, name in (("ICBC", "ICBC"), ("CMB", "CMB")):
        request = new_request(method="NET_BANKING", options={"bank_code": code})
        url = _open(sandbox, request)
        assert name in _fetch(url).text
        assert _fetch(url, {"decision": "pay"}).headers["Location"] == request.return_url
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
    url = _open(sandbox, request)
    card = {"number": number, "expiry": "12/30", "code": "123"}
    page = _fetch(url, {"decision": "pay", **card})
    if outcome is Outcome.PENDING:
        assert "not valid" in page.text
    answer = sandbox.query(reference(request))
    assert (answer.outcome, answer.failure_code) == (outcome, failure_code)
    [charge] = institution.book(order_no=request.order_no, full="1")["charges"]
    assert number.replace(" ", "") not in str(charge)


def test_3d_secure_asks_for_a_code_on_the_page(sandbox: Channel, new_request: Requests):
    request = new_request(method="BANK_CARD")
    url = _open(sandbox, request)
    step = _fetch(url, {"decision": "pay", "number": "4000000000003220"})
    assert step.headers["Location"].startswith("/3ds/")
    assert sandbox.query(reference(request)).outcome is Outcome.PENDING
    code_url = url.rsplit("/card/")[0] + step.headers["Location"]
    assert "one-time-code" in _fetch(code_url).text
    assert (
        _fetch(code_url, {"decision": "pay", "code": "1"}).headers["Location"] == request.return_url
    )
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_3d_secure_by_token_redirects(sandbox: Channel, new_request: Requests):
    request = new_request(token="tok_3ds")
    url = _open(sandbox, request)
    assert "/3ds/" in url
    _fetch(url, {"decision": "decline"})
    assert sandbox.query(reference(request)).outcome is Outcome.FAILED


def test_an_insufficient_card_by_token(sandbox: Channel, new_request: Requests):
    answer = sandbox.pay(new_request(token="tok_insufficient_funds"))
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "insufficient_funds")
