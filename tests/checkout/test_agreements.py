"""Payer agreements: asked for by the API, answered on our page, told once, ended at once."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import psycopg
import pytest
from django.test import Client

from acquiring.api import authenticate_bearer, set_cashier_look
from acquiring.contracts import Method, PayerTokenInvalid
from acquiring.services.merchant_events import wipe_sealed_bodies
from checkout.agreement_contracts import AgreementEnded, AgreementView
from checkout.contracts import PaymentPasswordLocked, WrongPaymentPassword
from checkout.invariants import INVARIANTS
from checkout.models import PayerAgreement
from checkout.services import password_tries
from checkout.services.agreements import revoke_own_agreement, sweep_agreements
from checkout.services.consent import decline_consent, give_consent
from checkout.services.wallets import hash_token
from paymentplatform.kernel.encryption import decrypt_text
from paymentplatform.kernel.errors import NotFound
from tests.barrier import run_together
from tests.checkout.test_page_security import LOGO
from tests.clock import VirtualClock
from tests.makers import PASSWORD, RETURN_ORIGIN, make_merchant, make_payer, make_payer_token
from tests.trading import make_trade, rows

BODY = {"max_per_payment": 50_00, "max_per_day": 80_00, "return_url": f"{RETURN_ORIGIN}/account"}


class Asking:
    """A merchant that asks a payer, with what a test wants to know afterwards."""

    def __init__(self, merchant: dict[str, str] | None = None, **body: Any) -> None:
        self.merchant = merchant or make_merchant()
        self.api = Client(headers={"Authorization": f"Bearer {self.merchant['secret_key']}"})
        answer = self.post(BODY | body)
        assert answer.status_code == 201, answer.content
        self.asked = answer.json()
        self.number = self.asked["agreement_no"]
        self.page = self.asked["agreement_url"].partition("//")[2].partition("/")[2]
        self.token = self.page.partition("/")[2]

    def post(self, body: dict[str, Any], **headers: str) -> Any:
        return self.api.post(
            "/api/v1/payer-agreements",
            json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    def get(self) -> dict[str, Any]:
        answer = self.api.get(f"/api/v1/payer-agreements/{self.number}")
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def delete(self) -> Any:
        return self.api.delete(f"/api/v1/payer-agreements/{self.number}")

    def agree(self, payer_no: str, password: str = PASSWORD) -> None:
        give_consent(token=self.token, payer_no=payer_no, payment_password=password)

    def row(self) -> dict[str, Any]:
        (row,) = rows(
            "SELECT * FROM checkout_agreement_request WHERE agreement_no = %s", self.number
        )
        return row

    def in_force(self) -> list[dict[str, Any]]:
        return rows("SELECT * FROM checkout_payer_agreement WHERE agreement_no = %s", self.number)

    def moves(self) -> list[tuple[str, str, str]]:
        return [
            (move["from_status"], move["to_status"], move["actor"].partition(":")[0])
            for move in rows(
                "SELECT * FROM checkout_transition WHERE object_no = %s ORDER BY id", self.number
            )
        ]

    def events(self) -> list[dict[str, Any]]:
        return rows(
            "SELECT e.*, b.sealed FROM acquiring_merchant_event e"
            " LEFT JOIN acquiring_sealed_body b ON b.event_id = e.event_id"
            " WHERE object_no = %s ORDER BY e.event_id",
            self.number,
        )

    def footprint(self) -> tuple[Any, ...]:
        return self.row(), self.in_force(), self.moves(), self.events()


class TestAsking:
    def test_the_object_says_what_was_asked_and_where_to_send_the_payer(self):
        asking = Asking(subject="Tea every month", payer_ref="customer-7")
        asked = asking.asked
        assert set(asked) == set(AgreementView.__struct_fields__)
        assert asked["agreement_url"].endswith(f"/agreements/{asking.token}")
        assert len(asking.token) == 22 + 24
        assert {**asked, "agreement_url": 0, "created_at": 0, "expires_at": 0} == BODY | {
            "agreement_no": asking.number,
            "status": "PENDING",
            "currency": "CNY",
            "subject": "Tea every month",
            "payer_ref": "customer-7",
            "agreement_url": 0,
            "payer_token": None,
            "created_at": 0,
            "expires_at": 0,
            "consented_at": None,
            "revoked_at": None,
        }
        assert asking.get() == asked
        assert asking.in_force() == []

    @pytest.mark.parametrize(
        ("change", "field", "code"),
        [
            ({"max_per_payment": 0}, "max_per_payment", "range"),
            ({"max_per_day": 10**12}, "max_per_day", "range"),
            ({"max_per_payment": 80_01}, "max_per_payment", "conflict"),
            ({"max_per_payment": "5"}, "max_per_payment", "wrong_type"),
            ({"max_per_day": None}, "max_per_day", "required"),
            ({"currency": "XXX"}, "currency", "unknown_value"),
            ({"return_url": "https://elsewhere.example/"}, "return_url", "refused"),
            ({"return_url": f"{RETURN_ORIGIN}@elsewhere.example"}, "return_url", "refused"),
            ({"subject": "a\u202eb"}, "subject", "characters"),
            ({"payer_ref": ""}, "payer_ref", "length"),
            ({"payer_no": "pyr_1"}, "payer_no", "unknown_field"),
        ],
    )
    def test_what_cannot_be_asked(self, change, field, code):
        asking = Asking()
        answer = asking.post(BODY | change)
        assert answer.status_code == 400
        assert (field, code) in {(e["field"], e["code"]) for e in answer.json()["errors"]}
        count = "SELECT count(*) AS n FROM checkout_agreement_request WHERE merchant_no = %s"
        assert rows(count, asking.merchant["merchant_no"]) == [{"n": 1}]

    def test_under_one_key_it_is_one_request(self):
        asking = Asking()
        headers = {"Idempotency-Key": asking.number}
        first, again = (asking.post(BODY, **headers).json() for _ in range(2))
        assert first == again
        assert first["agreement_no"] != asking.number

    def test_lists_and_filters_without_tokens(self):
        asking = Asking(payer_ref="one")
        asking.agree(make_payer())
        second = Asking(asking.merchant, payer_ref="two")
        path = "/api/v1/payer-agreements"
        both = asking.api.get(path).json()
        assert [item["agreement_no"] for item in both["data"]] == [second.number, asking.number]
        assert [item["payer_token"] for item in both["data"]] == [None, None]
        for query, expected in (
            ({"status": "ACTIVE"}, [asking.number]),
            ({"payer_ref": "two"}, [second.number]),
            ({"created_to": asking.asked["created_at"]}, []),
            ({"limit": 1}, [second.number]),
            ({"cursor": second.number}, [asking.number]),
        ):
            found = asking.api.get(path, query).json()["data"]
            assert [item["agreement_no"] for item in found] == expected, query
        assert asking.api.get(path, {"cursor": "ord_1"}).status_code == 400

    def test_another_merchants_agreement_is_not_there(self):
        asking, other = Asking(), Asking()
        before = asking.footprint()
        asking.api = other.api
        assert asking.api.get(f"/api/v1/payer-agreements/{asking.number}").status_code == 404
        assert asking.delete().status_code == 404
        assert asking.footprint() == before


class TestConsenting:
    def test_the_token_is_told_once_sealed_and_pays(self):
        asking = Asking()
        payer = make_payer()
        asking.agree(payer)
        seen = asking.get()
        token = seen["payer_token"]
        assert (seen["status"], seen["agreement_url"]) == ("ACTIVE", None)
        assert seen["consented_at"] >= seen["created_at"]
        (agreement,) = asking.in_force()
        assert agreement["token_hash"] == hash_token(token)
        assert (agreement["payer_id"], agreement["merchant_no"]) == (
            payer,
            asking.merchant["merchant_no"],
        )
        assert (agreement["max_per_payment"], agreement["max_per_day"]) == (50_00, 80_00)
        (event,) = asking.events()
        assert event["type"] == "payer_agreement.active"
        kept = json.loads(event["payload"])
        assert kept["data"] == {**seen, "payer_token": None}
        sealed = json.loads(decrypt_text(event["sealed"]))
        assert sealed == {**kept, "data": {**seen, "payer_token": token}}
        assert asking.moves() == [("PENDING", "ACTIVE", "payer")]
        assert not any(token in str(value) for value in asking.row().values())

    def test_after_ten_minutes_only_the_hash_is_left(self, clock: VirtualClock):
        asking = Asking()
        asking.agree(make_payer())
        clock.advance(599)
        token = asking.get()["payer_token"]
        clock.advance(2)
        assert asking.get()["payer_token"] is None
        assert asking.row()["sealed_token"] is not None
        while sweep_agreements():
            pass
        while wipe_sealed_bodies():
            pass
        assert asking.row()["sealed_token"] is None
        assert [event["sealed"] for event in asking.events()] == [None]
        assert [a["token_hash"] for a in asking.in_force()] == [hash_token(token)]

    def test_nothing_is_wiped_while_somebody_is_still_to_be_told(
        self, owner_connection: psycopg.Connection, clock: VirtualClock
    ):
        asking = Asking()
        asking.agree(make_payer())
        (event,) = asking.events()
        owner_connection.execute(
            "INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, url, status)"
            " VALUES (%s, %s, %s, 'ORDER_NOTIFY', 'https://shop.example/hook', 'DUE')",
            [f"dlv_{event['event_id'][4:]}", event["event_id"], event["merchant_no"]],
        )
        while wipe_sealed_bodies():
            pass
        assert asking.events()[0]["sealed"] is not None
        clock.advance(2 * 86_400)
        while wipe_sealed_bodies():
            pass
        assert asking.events()[0]["sealed"] is None

    def test_a_wrong_password_changes_only_the_tries_and_five_lock(self):
        asking = Asking()
        payer = make_payer()
        before = asking.footprint()
        for _ in range(5):
            with pytest.raises(WrongPaymentPassword):
                asking.agree(payer, "wrong-password")
        with pytest.raises(PaymentPasswordLocked):
            asking.agree(payer)
        with pytest.raises(WrongPaymentPassword):
            asking.agree("pyr_" + "0" * 22)
        assert asking.footprint() == before

    def test_pressed_twice_it_is_one_agreement(self):
        asking = Asking()
        payer = make_payer()
        asking.agree(payer)
        before = asking.footprint()
        asking.agree(payer)
        assert asking.footprint() == before

    def test_another_payer_comes_too_late(self):
        asking = Asking()
        asking.agree(make_payer())
        before = asking.footprint()
        with pytest.raises(AgreementEnded):
            asking.agree(make_payer())
        assert asking.footprint() == before

    def test_declined_and_expired_are_the_end(self, clock: VirtualClock):
        declined, expired = Asking(), Asking()
        decline_consent(token=declined.token)
        decline_consent(token=declined.token)
        clock.advance(30 * 60 + 1)
        payer = make_payer()
        for asking in (declined, expired):
            before = asking.footprint()
            with pytest.raises(AgreementEnded):
                asking.agree(payer)
            assert asking.footprint() == before
        with pytest.raises(AgreementEnded):
            decline_consent(token=expired.token)
        while sweep_agreements():
            pass
        assert [a.get()["status"] for a in (declined, expired)] == ["DECLINED", "EXPIRED"]
        assert declined.moves() == [("PENDING", "DECLINED", "payer")]
        assert expired.moves() == [("PENDING", "EXPIRED", "system")]
        assert declined.delete().json()["status"] == "DECLINED"
        assert declined.events() == expired.events() == []

    @pytest.mark.parametrize("change", ["", "x", "0" * 46, "ü" * 46])
    def test_a_link_that_is_not_exactly_right_opens_nothing(self, change):
        asking = Asking()
        for token in (change, asking.token[:-1] + ("A" if asking.token[-1] != "A" else "B")):
            with pytest.raises(NotFound):
                decline_consent(token=token)
        assert asking.row()["status"] == "PENDING"


class TestEnding:
    def test_delete_works_at_once_and_again(self):
        asking = Asking()
        asking.agree(make_payer())
        token = asking.get()["payer_token"]
        trade = trade_of(asking)
        first, again = asking.delete(), asking.delete()
        assert (first.status_code, first.json()) == (200, again.json())
        assert (first.json()["status"], first.json()["payer_token"]) == ("REVOKED", None)
        assert first.json()["revoked_at"] is not None
        with pytest.raises(PayerTokenInvalid):
            trade.pay(Method.BALANCE, payer_token=token)
        assert trade.order()["status"] == "INIT"
        assert asking.get()["payer_token"] is None
        assert [event["type"] for event in asking.events()] == [
            "payer_agreement.active",
            "payer_agreement.revoked",
        ]
        assert asking.moves()[-1] == ("ACTIVE", "REVOKED", "merchant")

    def test_a_request_that_nobody_answered_is_taken_back(self):
        asking = Asking()
        assert asking.delete().json()["status"] == "REVOKED"
        with pytest.raises(AgreementEnded):
            asking.agree(make_payer())
        assert (asking.in_force(), asking.events()) == ([], [])

    def test_an_agreement_recorded_by_operators_is_one_like_any_other(self):
        merchant = make_merchant()
        token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
        agreement = PayerAgreement.objects.get(token_hash=hash_token(token))
        api = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})
        path = f"/api/v1/payer-agreements/{agreement.agreement_no}"
        seen = api.get(path).json()
        assert (seen["status"], seen["agreement_url"], seen["return_url"]) == ("ACTIVE", None, None)
        assert api.delete(path).json()["status"] == "REVOKED"
        assert PayerAgreement.objects.get(pk=agreement.pk).revoked_at is not None


class TestRaces:
    def test_two_presses_and_two_payers_make_one_agreement(self):
        payers = [make_payer(balance=0) for _ in range(2)]
        asking = Asking()
        outcomes = run_together([partial(asking.agree, payer) for payer in payers * 2])
        assert {type(o) for o in outcomes} <= {type(None), AgreementEnded}
        (agreement,) = asking.in_force()
        winner = agreement["payer_id"]
        assert winner in payers
        assert [o is None for o in outcomes] == [p == winner for p in payers * 2]
        assert len(asking.moves()) == len(asking.events()) == 1

    def test_consent_against_revoke_leaves_nothing_that_pays(self):
        payer = make_payer()
        for _ in range(4):
            asking = Asking()
            merchant_no = asking.merchant["merchant_no"]
            revoke = partial(
                revoke_own_agreement, agreement_no=asking.number, merchant_no=merchant_no
            )
            consent, revoked = run_together([partial(asking.agree, payer), revoke])
            assert revoked.status == "REVOKED"
            came_first = consent is None
            assert came_first or isinstance(consent, AgreementEnded)
            assert len(asking.in_force()) == len(asking.events()) / 2 == int(came_first)
            assert all(agreement["revoked_at"] for agreement in asking.in_force())
            assert asking.row()["status"] == "REVOKED"


class TestLook:
    def test_it_wears_the_merchants_colour_and_logo_and_leads_to_the_wallet(self):
        asking = Asking()
        set_cashier_look(merchant_no=asking.row()["merchant_no"], colour="#ffd400", logo=LOGO)
        browser = Client()
        shown = browser.get(f"/{asking.page}?lang=en").content.decode()
        assert "--panel: #ffd400" in shown
        assert f'src="{LOGO}"' in shown
        assert 'href="/wallet' not in shown, "nothing to see there before he has agreed"
        asking.agree(make_payer(balance=0))
        agreed = browser.get(f"/{asking.page}?lang=en").content.decode()
        assert "--panel: #ffd400" in agreed
        assert 'href="/wallet/agreements"' in agreed
        assert browser.get("/wallet/agreements")["Location"] == "/wallet/login"

    def test_one_try_too_many_says_so_and_takes_no_answer(self, monkeypatch: pytest.MonkeyPatch):
        asking = Asking()
        monkeypatch.setattr(password_tries, "TRIES_PER_PAGE", 0)
        before = asking.footprint()
        sent = {"answer": "agree", "payer_no": make_payer(balance=0), "payment_password": PASSWORD}
        answer = Client().post(f"/{asking.page}/answer?lang=en", sent)
        assert answer.status_code == 429
        assert "a little too fast" in answer.content.decode()
        assert asking.footprint() == before


class TestPage:
    def test_agree_without_javascript(self):
        asking = Asking(subject="Tea every month")
        payer = make_payer()
        browser = Client(enforce_csrf_checks=True)
        page = browser.get(f"/{asking.page}", headers={"Accept-Language": "en"})
        assert page.status_code == 200
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "no-referrer"
        assert "form-action 'self'" in page["Content-Security-Policy"]
        text = page.content.decode()
        for shown in ("Tea every month", "50.00", "80.00", "Nothing is charged now", asking.number):
            assert shown in text
        form = {
            "csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', text)[1],
            "answer": "agree",
            "payer_no": payer.upper(),
        }
        refused = browser.post(f"/{asking.page}/answer", form | {"payment_password": "wrong-one"})
        assert (refused.status_code, refused["Location"]) == (303, f"/{asking.page}")
        again = browser.get(f"/{asking.page}", headers={"Accept-Language": "en"}).content.decode()
        assert "is not right, or it is locked" in again
        assert payer.upper() in again
        assert "wrong-one" not in again
        done = browser.post(f"/{asking.page}/answer", form | {"payment_password": PASSWORD})
        assert (done.status_code, done["Location"]) == (303, f"/{asking.page}")
        end = browser.get(f"/{asking.page}", headers={"Accept-Language": "en"}).content.decode()
        assert "Agreement made" in end
        assert "<form" not in end
        assert f'href="{RETURN_ORIGIN}/account"' in end
        token = asking.get()["payer_token"]
        assert token not in end
        assert payer not in end

    def test_the_end_tells_who_agreed_what_else_lives_and_how_to_end_it(self, settings):
        settings.SUPPORT_CONTACT = "mailto:help@pay.example"
        first, payer = Asking(max_per_payment=11_00), make_payer()
        first.agree(payer)
        second, stranger = Asking(first.merchant), Asking(first.merchant)
        asked = page_of(second)
        assert "all payments of one day together at most CNY 80.00" in asked
        assert "Under this agreement" in asked
        assert first.number not in asked
        assert 'href="mailto:help@pay.example"' in asked
        second.agree(payer)
        stranger.agree(make_payer())
        end = page_of(second)
        assert f"another agreement with this shop, {first.number}" in end
        assert "each payment at most CNY 11.00, each day at most CNY 80.00" in end
        assert stranger.number not in end
        assert f"pyr_…{payer[-4:]}" in end
        assert payer not in end
        assert 'href="mailto:help@pay.example"' in end
        first.delete()
        settings.SUPPORT_CONTACT = ""
        alone = page_of(second)
        assert "another agreement" not in alone
        assert "support" not in alone

    def test_a_refused_password_names_the_support(self, settings):
        settings.SUPPORT_CONTACT = "+86 10 1234 <5678>"
        asking, browser = Asking(), Client()
        form = {"answer": "agree", "payer_no": make_payer(), "payment_password": "wrong-one"}
        browser.post(f"/{asking.page}/answer", form)
        text = browser.get(f"/{asking.page}?lang=en").content.decode()
        assert text.count("+86 10 1234 &lt;5678&gt;") == 2
        assert "<5678>" not in text

    @pytest.mark.parametrize("end", ["decline", "withdraw", "revoke"])
    def test_what_is_over_shows_no_limits_and_speaks_of_this_agreement_alone(self, end):
        asking = Asking()
        if end == "revoke":
            asking.agree(make_payer())
        if end == "decline":
            decline_consent(token=asking.token)
        else:
            asking.delete()
        text = page_of(asking)
        said = {
            "decline": "cannot take anything under this agreement.",
            "withdraw": "The shop has withdrawn its request. Nothing was agreed.",
            "revoke": "cannot take anything under this agreement any more.",
        }
        assert [name for name, words in said.items() if words in text] == [end]
        assert "50.00" not in text
        assert "80.00" not in text
        assert asking.number in text

    def test_without_the_forms_token_nothing_is_taken(self):
        asking = Asking()
        before = asking.footprint()
        answer = Client(enforce_csrf_checks=True).post(
            f"/{asking.page}/answer", {"answer": "decline"}
        )
        assert answer.status_code == 403
        assert asking.footprint() == before

    def test_decline_needs_no_password_and_speaks_chinese(self):
        asking = Asking()
        browser = Client()
        assert browser.post(f"/{asking.page}/answer", {"answer": "decline"}).status_code == 303
        end = browser.get(f"/{asking.page}?lang=zh-Hans").content.decode()
        assert "您已拒绝" in end
        assert 'lang="zh-Hans"' in end
        assert asking.get()["status"] == "DECLINED"

    @pytest.mark.parametrize("form", [{}, {"answer": "agree"}, {"answer": "maybe"}])
    def test_half_a_form_is_asked_again_without_a_try(self, form):
        asking = Asking()
        before = asking.footprint()
        browser = Client()
        assert browser.post(f"/{asking.page}/answer", form).status_code == 303
        assert 'role="alert"' in browser.get(f"/{asking.page}").content.decode()
        assert asking.footprint() == before

    def test_over_time_it_says_so(self, clock: VirtualClock):
        asking = Asking()
        clock.advance(30 * 60 + 1)
        text = Client().get(f"/{asking.page}?lang=en").content.decode()
        assert "The time to answer has run out" in text
        assert "<form" not in text

    def test_an_unknown_link(self):
        answer = Client().get(f"/agreements/{'0' * 46}?lang=en")
        assert answer.status_code == 404
        assert b"We cannot find this agreement" in answer.content


def test_prove_sees_a_consent_without_its_agreement(planted: Any):
    asking = Asking()
    asking.agree(make_payer())
    checks = [invariant.sql for invariant in INVARIANTS if invariant.number == 10]
    with planted(
        f"UPDATE checkout_payer_agreement SET revoked_at = now() WHERE agreement_no = '{asking.number}'",
    ) as connection:
        found = [row[0] for sql in checks for row in connection.execute(sql).fetchall()]
    assert asking.number in found


def page_of(asking: Asking) -> str:
    return Client().get(f"/{asking.page}?lang=en").content.decode()


def trade_of(asking: Asking) -> Any:
    return make_trade(merchant=authenticate_bearer(secret=asking.merchant["secret_key"]))
