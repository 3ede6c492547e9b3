"""A payer's own pages: who gets in, what he sees, what nobody else sees, and ending an agreement."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from acquiring.contracts import Method, PayerTokenInvalid
from checkout.models import PayerAgreement, WalletSession
from checkout.services.wallet_sessions import sweep_sessions
from ledger import api as ledger
from paymentplatform.kernel import numbers
from tests.clock import VirtualClock
from tests.makers import PASSWORD, make_payer, make_payer_token, top_up
from tests.trading import Trade, make_identity, make_trade, rows

HOME, LOG_IN, AGREEMENTS = "/wallet/", "/wallet/login", "/wallet/agreements"


@pytest.fixture
def payer() -> str:
    """A payer with 1 000 000.00 CNY."""
    return make_payer()


def browser(**headers: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"Accept-Language": "en"} | headers)


def token_in(text: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def enter(client: Client, payer_no: str, password: str = PASSWORD, **more: Any) -> Any:
    """Fill in the log-in page."""
    page = client.get(LOG_IN).content.decode()
    sent = {
        "payer_no": payer_no,
        "payment_password": password,
        "csrfmiddlewaretoken": token_in(page),
    }
    return client.post(f"{LOG_IN}/enter", sent | more)


def logged_in(payer_no: str) -> Client:
    client = browser()
    answer = enter(client, payer_no)
    assert (answer.status_code, answer["Location"]) == (303, HOME)
    return client


def post(client: Client, address: str, *, on: str) -> Any:
    token = token_in(client.get(on).content.decode())
    return client.post(address, {"csrfmiddlewaretoken": token})


def pay_under(payer_no: str, trade: Trade) -> tuple[str, str]:
    """Pay the trade under a new agreement; (agreement_no, payer_token)."""
    token = make_payer_token(payer_no=payer_no, merchant_no=trade.merchant.merchant_no)
    assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
    return PayerAgreement.objects.filter(payer_id=payer_no).latest("agreement_no").pk, token


class TestGettingIn:
    def test_with_number_and_password(self, payer: str):
        client = browser()
        typed = f" {payer[:8].upper()} {payer[8:].upper()} "
        answer = enter(client, typed)
        assert (answer.status_code, answer["Location"]) == (303, HOME)
        cookie = answer.cookies[django_settings.WALLET_COOKIE_NAME]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert cookie["max-age"] == 1800
        kept = WalletSession.objects.get(payer_no=payer)
        assert cookie.value not in kept.token_hash
        shown = client.get(HOME)
        assert "1,000,000.00" in shown.content.decode()
        assert shown["Cache-Control"] == "no-store"
        assert shown["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in shown["Content-Security-Policy"]
        assert client.get(LOG_IN)["Location"] == HOME

    @pytest.mark.parametrize(
        ("number", "password", "told"),
        [
            ("", "", "Please enter your payer number."),
            (None, "not-the-password", "is not right"),
            ("pyr_0123456789abcdefghjkmn", PASSWORD, "is not right"),
        ],
    )
    def test_nobody_else(self, payer: str, number: str | None, password: str, told: str):
        client = browser()
        answer = enter(client, payer if number is None else number, password)
        assert (answer.status_code, answer["Location"]) == (303, LOG_IN)
        assert django_settings.WALLET_COOKIE_NAME not in answer.cookies
        shown = client.get(LOG_IN).content.decode()
        assert told in shown
        assert password == "" or password not in shown
        assert "is not right" not in client.get(LOG_IN).content.decode()  # told once
        assert client.get(HOME)["Location"] == LOG_IN

    def test_five_wrong_tries_lock_it(self, payer: str):
        client = browser()
        for _ in range(5):
            enter(client, payer, "wrong-password")
        assert enter(client, payer)["Location"] == LOG_IN
        assert WalletSession.objects.filter(payer_no=payer).count() == 0

    def test_an_address_that_is_wrong_too_often_waits(
        self, payer: str, monkeypatch: pytest.MonkeyPatch, settings: Any
    ):
        address = f"2001:db8::{numbers.new_number('x')[-4:].encode().hex()[:4]}"
        settings.WRONG_PASSWORDS_PER_ADDRESS = 2
        client = browser()
        for other in (make_payer(balance=0), make_payer(balance=0)):
            enter(client, other, "wrong-password", REMOTE_ADDR=address)
        monkeypatch.setattr("checkout.views.wallet.find_client_address", lambda _request: address)
        for other in (make_payer(balance=0), make_payer(balance=0)):
            enter(client, other, "wrong-password")
        assert enter(client, payer)["Location"] == LOG_IN
        assert "Too many wrong tries" in client.get(LOG_IN).content.decode()
        assert WalletSession.objects.filter(payer_no=payer).count() == 0

    def test_without_the_pages_own_token_nothing_is_taken(self, payer: str):
        client = browser()
        sent = {"payer_no": payer, "payment_password": PASSWORD}
        assert client.post(f"{LOG_IN}/enter", sent).status_code == 403
        assert WalletSession.objects.filter(payer_no=payer).count() == 0

    def test_it_ends_by_logging_out_and_by_time(self, payer: str, clock: VirtualClock):
        client, other = logged_in(payer), logged_in(payer)
        stolen = client.cookies[django_settings.WALLET_COOKIE_NAME].value
        assert post(client, "/wallet/logout", on=HOME)["Location"] == LOG_IN
        client.cookies[django_settings.WALLET_COOKIE_NAME] = stolen
        assert client.get(HOME)["Location"] == LOG_IN
        assert other.get(HOME).status_code == 200
        clock.advance(1801)
        assert other.get(HOME)["Location"] == LOG_IN
        while sweep_sessions():
            pass
        assert WalletSession.objects.filter(payer_no=payer).count() == 0

    @pytest.mark.parametrize("value", ["", "x", "é", "a" * 5000])
    def test_a_made_up_cookie_opens_nothing(self, value: str):
        client = browser()
        client.cookies[django_settings.WALLET_COOKIE_NAME] = value
        assert client.get(HOME)["Location"] == LOG_IN


class TestStatement:
    def test_every_movement_is_shown_once_page_by_page(self, payer: str):
        for _ in range(44):
            top_up(payer_no=payer, amount=1)
        client, address, seen = logged_in(payer), HOME, []
        while address:
            text = client.get(address).content.decode()
            seen += re.findall(r'class="hint number">([^<]+)<', text)
            following = re.search(r'class="button quiet" href="([^"]+)"', text)
            address = following[1].replace("&amp;", "&") if following else ""
        entries = rows(
            "SELECT j.event_id FROM ledger_journal j JOIN ledger_posting p ON p.journal_no = j.journal_no"
            " JOIN ledger_account a ON a.id = p.credit_account_id WHERE a.code = %s ORDER BY p.xact_id DESC",
            f"L10:{payer}:CNY",
        )
        assert seen == [row["event_id"] for row in entries]
        assert len(seen) == 45

    def test_signs_and_other_currencies(self, payer: str):
        top_up(payer_no=payer, amount=7_00, currency="USD")
        trade = make_trade(amount=3_00)
        pay_under(payer, trade)
        client = logged_in(payer)
        text = client.get(HOME).content.decode()
        assert ("−3.00" in text, "+1,000,000.00" in text, "7.00" in text) == (True, True, True)
        dollars = client.get(f"{HOME}?currency=USD").content.decode()
        assert ("+7.00" in dollars, "−3.00" in dollars) == (True, False)

    def test_what_is_held_is_said(self, payer: str):
        hold = numbers.new_number(numbers.HOLD)
        rows("SELECT ledger_hold(%s, %s, 500, 'test')", hold, f"L10:{payer}:CNY")
        text = logged_in(payer).get(HOME).content.decode()
        assert ("999,995.00" in text, "5.00 more is set aside" in text) == (True, True)

    @pytest.mark.parametrize(
        "query", ["currency=XXX", "cursor=1", "cursor=1.jnl_x.1", "cursor=٣.x.1"]
    )
    def test_an_odd_address_is_a_friendly_page(self, payer: str, query: str):
        shown = logged_in(payer).get(f"{HOME}?{query}")
        assert (shown.status_code, "To your wallet" in shown.content.decode()) == (400, True)

    def test_pages_go_through_the_index(self, payer: str):
        page = ledger.list_movements(account_code=f"L10:{payer}:CNY", limit=1)
        (row,) = page
        assert ledger.list_movements(account_code=f"L10:{payer}:CNY", limit=1, after=row.key) == []
        assert ledger.list_movements(account_code="L10:nobody:CNY", limit=1) == []


class TestAgreements:
    def test_limits_what_was_taken_and_the_end(self, payer: str):
        trade = make_trade(amount=3_00, merchant=make_identity(name="Lantern <b>"))
        agreement_no, token = pay_under(payer, trade)
        client = logged_in(payer)
        listed = client.get(AGREEMENTS).content.decode()
        assert ("Lantern &lt;b&gt;" in listed, "Taken today: CNY 3.00" in listed) == (True, True)
        address = f"{AGREEMENTS}/{agreement_no}"
        shown = client.get(address).content.decode()
        (payment,) = trade.payments()
        assert (payment["payment_no"] in shown, "−3.00" in shown) == (True, True)
        for _ in range(2):  # twice ends it once
            WalletSession.objects.count()
            answer = client.post(
                f"{address}/revoke",
                {"csrfmiddlewaretoken": token_in(client.get(HOME).content.decode())},
            )
            assert (answer.status_code, answer["Location"]) == (303, address)
        assert "The agreement has ended" in client.get(address).content.decode()
        moves = rows(
            "SELECT cause, actor FROM checkout_transition WHERE object_no = %s AND to_status = 'REVOKED'",
            agreement_no,
        )
        assert moves == [{"cause": "payer", "actor": f"payer:{payer}"}]
        another = make_trade(merchant=trade.merchant)
        before = another.footprint()
        with pytest.raises(PayerTokenInvalid):
            another.pay(Method.BALANCE, payer_token=token)
        assert another.footprint() == before

    def test_another_payers_is_as_if_absent(self, payer: str):
        agreement_no, token = pay_under(payer, make_trade())
        other = logged_in(make_payer(balance=0))
        for number in (agreement_no, "agr_0123456789abcdefghjkmn", "x"):
            assert other.get(f"{AGREEMENTS}/{number}").status_code == 404
            refused = post(other, f"{AGREEMENTS}/{number}/revoke", on=HOME)
            assert refused.status_code == 404
        assert PayerAgreement.objects.get(pk=agreement_no).revoked_at is None
        assert "no agreements" in other.get(AGREEMENTS).content.decode()
        assert payer not in other.get(HOME).content.decode()
        assert token

    def test_nobody_ends_one_without_logging_in(self, payer: str):
        agreement_no, _token = pay_under(payer, make_trade())
        client = browser()
        page = client.get(LOG_IN).content.decode()
        sent = {"csrfmiddlewaretoken": token_in(page)}
        assert client.post(f"{AGREEMENTS}/{agreement_no}/revoke", sent)["Location"] == LOG_IN
        own = logged_in(payer)
        assert own.post(f"{AGREEMENTS}/{agreement_no}/revoke", {}).status_code == 403
        assert own.get(f"{AGREEMENTS}/{agreement_no}/revoke").status_code == 405
        assert PayerAgreement.objects.get(pk=agreement_no).revoked_at is None


def test_it_speaks_chinese(payer: str):
    client = browser(**{"Accept-Language": "zh-CN"})
    assert "登录您的钱包" in client.get(LOG_IN).content.decode()
    enter(client, payer)
    assert "余额与账单" in client.get(HOME).content.decode()
    english = client.get(f"{HOME}?lang=en").content.decode()
    assert ('lang="en"' in english, "Balance and statement" in english) == (True, True)
