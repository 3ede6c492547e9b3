"""Operators' pages: everything can be found and looked at, nothing changed but by a confirmed act."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from acquiring import api as acquiring
from acquiring.models import (
    CashierLook,
    Credential,
    Delivery,
    FeeContract,
    Merchant,
    MerchantEvent,
    Payout,
    SettlementBatch,
    SettlementHold,
    TradeOrder,
    WebhookEndpoint,
)
from acquiring.services.callers import authenticate_bearer
from acquiring.services.webhook_endpoints import disable_endpoint
from checkout.models import (
    AgreementRequest,
    PayerAgreement,
    PayerWallet,
    PaymentMethod,
    RiskDecision,
    RiskListEntry,
    RiskReview,
    RiskRule,
    RouteBookVersion,
)
from checkout.services.risk_rules import create_rule, list_subject
from checkout.services.wallets import verify_payment_password
from engine.channels.base import ChannelAnswer, Outcome
from engine.channels.registry import get_channel
from engine.channels.sandbox import codec
from engine.contracts import Cause
from engine.models import (
    Case,
    ChannelAttempt,
    ChannelCallback,
    Discrepancy,
    KnownChannel,
    LateMoney,
    MaintenanceWindow,
    PaymentOrder,
    Refund,
    SavedCard,
    Statement,
)
from engine.services.breakers import plan_maintenance
from engine.services.outcomes import apply_attempt_outcome
from ledger import api as ledger
from ledger.models import Account, Hold, Journal
from paymentplatform.console.models import AuditLog, ProofRun, Proposal
from paymentplatform.console.services.proofs import take_proof
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import encrypt_text
from paymentplatform.kernel.errors import Unauthenticated
from tests.acquiring.outbox import DEAD, end_deliveries, make_endpoint, record_event
from tests.architecture.sources import our_models
from tests.console import proposals, trades
from tests.console.differences import extra
from tests.makers import PASSWORD, make_merchant, make_payer_token
from tests.trading import make_trade

OURS = [model for model in admin.site._registry if model in our_models()]
ENDPOINT_URL = "https://shop.example.com/hooks"
CHANNELS_TOKEN = "tok_saved_seen_by_nobody"
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(scope="module")
def book(unit_database: str) -> dict[Any, Any]:
    """One row of every model that has a page, with a trade behind it; maps the model to its key."""
    paid = trades.paid_by_balance(notify_url="https://shop.example/hook")
    late = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
    refunded = trades.refunded(trades.paid_by_channel())
    make_payer_token(payer_no=paid.payer, merchant_no=paid.merchant["merchant_no"])
    late_money = LateMoney.objects.get(attempt_no=late.attempt)
    event = MerchantEvent.objects.get(object_no=paid.order)
    callback = ChannelCallback.objects.create(
        channel_code="sandbox",
        headers={"X-Signature": "abc"},
        body=b'{"card_number": "4111111111111111"}',
        attempt_no=late.attempt,
    )
    account = Account.objects.get(code=f"L10:{paid.payer}:CNY")
    hold = numbers.new_number(numbers.HOLD)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_hold(%s, %s, 5, 'test')", [hold, account.code])
    operator = User.objects.create_superuser(username=numbers.new_number("op"), password=None)
    line = AuditLog.objects.create(
        operator=operator.username, action="look", object_no=paid.order, reason="x"
    )
    difference, _day = extra()
    settled = trades.settled(trades.paid_by_balance())
    kept = acquiring.place_settlement_hold(
        merchant_no=paid.merchant["merchant_no"], order_no=paid.order, operator="x", reason="x"
    )
    journal = ledger.find_journal(event_type="payment_paid", event_id=paid.payment)
    assert journal is not None
    return {
        "paid": paid,
        "late": late,
        "refunded": refunded,
        "operator": operator,
        TradeOrder: paid.order,
        Merchant: paid.merchant["merchant_no"],
        Credential: paid.merchant["key_id"],
        MerchantEvent: event.pk,
        Delivery: event.deliveries.get().pk,
        WebhookEndpoint: make_endpoint(make_merchant()["merchant_no"], ENDPOINT_URL),
        PaymentOrder: paid.payment,
        ChannelAttempt: late.attempt,
        ChannelCallback: callback.pk,
        LateMoney: late_money.pk,
        Refund: refunded.refund,
        Case: Case.objects.get(object_no=late_money.pk).pk,
        PayerWallet: paid.payer,
        PayerAgreement: PayerAgreement.objects.get(payer=paid.payer).pk,
        AgreementRequest: AgreementRequest.objects.get(payer_no=paid.payer).pk,
        PaymentMethod: "QR_CODE",
        RouteBookVersion: RouteBookVersion.objects.order_by("-version").first().pk,  # type: ignore[union-attr]
        KnownChannel: KnownChannel.objects.get_or_create(code="sandbox")[0].pk,
        MaintenanceWindow: plan_maintenance(
            channel_code="sandbox",
            method=None,
            starts_at=database_now() + timedelta(days=9_000),
            minutes=1,
            reason="x",
            made_by="x",
        ),
        **risk_rows(paid.order, paid.merchant["merchant_no"]),
        Account: account.pk,
        Journal: journal.journal_no,
        Hold: hold,
        SettlementBatch: settled["batch"],
        Payout: settled["payout"],
        Discrepancy: difference.pk,
        Statement: difference.statement_no,
        ProofRun: take_proof()[0],
        FeeContract: FeeContract.objects.filter(merchant_id=paid.merchant["merchant_no"]).get().pk,
        SettlementHold: kept,
        AuditLog: line.pk,
        Proposal: proposals.proposed(payer=paid.payer).proposal_no,
        SavedCard: SavedCard.objects.create(
            card_no=numbers.new_number(numbers.CARD),
            merchant_no=paid.merchant["merchant_no"],
            payer_ref="anna",
            channel_code="sandbox",
            token=encrypt_text(CHANNELS_TOKEN),
            token_digest="d",
            brand="VISA",
            last4="4242",
        ).card_no,
    }


def risk_rows(order_no: str, merchant_no: str) -> dict[Any, Any]:
    """A rule in shadow, an entry of a list that no rule names, the order's decision and a review that waits."""
    rule = create_rule(
        name="seen", action="REVIEW", mode="SHADOW", conditions='{"merchants": ["mch_nobody"]}'
    )
    review = RiskReview.objects.create(
        review_no=numbers.new_number(numbers.RISK_REVIEW),
        order_no=order_no,
        merchant_no=merchant_no,
        wish_digest=numbers.new_number("dig"),
        amount=5,
        currency="CNY",
        method="BALANCE",
        rule_no=rule,
        expires_at=database_now() + timedelta(hours=1),
    )
    return {
        RiskRule: rule,
        RiskListEntry: list_subject(list_name="seen", subject="MERCHANT", value=merchant_no),
        RiskDecision: RiskDecision.objects.get(order_no=order_no).pk,
        RiskReview: review.pk,
    }


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture
def client(book: dict[Any, Any]) -> Client:
    return log_in(book["operator"])


def operator_with(*permissions: str) -> User:
    """A member of staff who may do exactly this."""
    user = User.objects.create_user(username=numbers.new_number("op"), is_staff=True)
    for permission in permissions:
        app, code = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=code)
        )
    return user


def page(model: Any, name: str, *arguments: object) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=arguments)


def act_page(model: Any, key: object, path: str) -> str:
    return page(model, "change", key).removesuffix("change/") + f"{path}/"


def find_in_list(client: Client, model: Any, key: object) -> Any:
    """Return the first page of a list; its search where other tests have filled that, some with numbers to come."""
    listed = client.get(page(model, "changelist"))
    assert listed.status_code == 200
    if str(key) not in {str(row.pk) for row in listed.context["cl"].result_list}:
        listed = client.get(page(model, "changelist"), {"q": key, "all": ""})
    return listed


def every_row(model: Any) -> list[dict[str, Any]]:
    return list(model.objects.order_by("pk").values())


class TestEveryPage:
    def test_every_model_has_an_example(self, book):
        assert set(OURS) == {model for model in book if not isinstance(model, str)}
        assert all(isinstance(admin.site._registry[model], ReadOnlyAdmin) for model in OURS)

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_the_sidebar_leads_to_it(self, model):
        sections = settings.UNFOLD["SIDEBAR"]["navigation"]
        links = {
            str(item["link"]).partition("?")[0] for section in sections for item in section["items"]
        }
        assert page(model, "changelist") in links

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_it_lists_shows_and_changes_nothing(self, client, book, model):
        before = every_row(model)
        listed = find_in_list(client, model, book[model])
        assert str(book[model]) in {str(row.pk) for row in listed.context["cl"].result_list}
        assert str(book[model]) in listed.content.decode()
        shown = client.get(page(model, "change", book[model]))
        assert shown.status_code == 200
        assert 'name="_save"' not in shown.content.decode()
        assert client.get(page(model, "add")).status_code == 403
        assert client.post(page(model, "add"), {}).status_code == 403
        delete = page(model, "delete", book[model])
        assert client.get(delete).status_code == 403
        assert client.post(delete, {"post": "yes"}).status_code == 403
        for address in (page(model, "change", book[model]), page(model, "changelist")):
            refused = client.post(address, {"status": "X", "amount": "1", "action": "delete"})
            assert refused.status_code in {200, 302, 403}
        assert every_row(model) == before

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_a_chinese_operator_reads_chinese_headings(self, client, book, model):
        chinese = {"Accept-Language": "zh-CN"}
        shown = client.get(page(model, "change", book[model]), headers=chinese).content.decode()
        headings = re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', shown)
        titles = re.findall(r'<section class="mt-8" aria-label="([^"]+)"', shown)
        english = [text for text in [*headings, *titles] if not re.search("[\u4e00-\u9fff]", text)]
        assert english == []

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_without_the_permission_it_is_closed(self, book, model):
        client = log_in(operator_with())
        assert client.get(page(model, "changelist")).status_code == 403
        assert client.get(page(model, "change", book[model])).status_code == 403
        stranger = Client().get(page(model, "change", book[model]))
        assert (stranger.status_code, "login" in stranger["Location"]) == (302, True)

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_an_object_that_is_not_there_is_no_error(self, client, model):
        shown = client.get(page(model, "change", "0"))
        assert shown.status_code == 302

    @pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
    def test_a_search_finds_it_by_its_number(self, client, book, model):
        by_another_name = {Account: "code", AuditLog: "object_no", RiskDecision: "order_no"}.get(
            model, "pk"
        )
        term = getattr(model.objects.get(pk=book[model]), by_another_name)
        for typed in (f" {term} ", str(term).upper(), f"{str(term)[:9]}\u3000{str(term)[9:]}"):
            if model in {Account, ChannelCallback} and typed != f" {term} ":
                continue
            found = client.get(page(model, "changelist"), {"q": typed})
            assert f'value="{typed}"' in found.content.decode()
            assert "/change/" in found.content.decode(), typed
        assert client.get(page(model, "changelist"), {"q": "no_such thing%_'"}).status_code == 200

    def test_lists_ask_a_bounded_number_of_questions(
        self, client, book, django_assert_max_num_queries
    ):
        for model in OURS:
            client.get(page(model, "changelist"))
            with django_assert_max_num_queries(11, info=model._meta.label):
                client.get(page(model, "changelist"))


class TestOrder:
    """One page with the whole life."""

    def test_the_page_shows_everything_on_every_floor(self, client, book):
        paid = book["paid"]
        text = client.get(page(TradeOrder, "change", paid.order)).content.decode()
        for number in (
            paid.payment,
            paid.merchant["merchant_no"],
            book[MerchantEvent],
            book[Delivery],
            book[Journal],
            f"L10:{paid.payer}:CNY",
            "I10:platform:CNY",
        ):
            assert str(number) in text
        assert page(PaymentOrder, "change", paid.payment) in text
        assert text.count(">PAYING<") == 4

    def test_late_money_and_its_case_are_on_the_page(self, client, book):
        text = client.get(page(TradeOrder, "change", book["late"].order)).content.decode()
        for number in (book["late"].attempt, book[LateMoney], book[Case], book["late"].trade_no):
            assert number in text
        assert "L90:sandbox:CNY" in text

    def test_refunds_and_their_money_are_on_the_page(self, client, book):
        refunded = book["refunded"]
        text = client.get(page(TradeOrder, "change", refunded.order)).content.decode()
        assert page(Refund, "change", refunded.refund) in text
        assert "L30:sandbox:CNY" in text
        own = client.get(page(Refund, "change", refunded.refund)).content.decode()
        assert page(TradeOrder, "change", refunded.order) in own
        assert "L30:sandbox:CNY" in own
        assert ">PROCESSING<" in own

    def test_the_cashiers_address_is_nowhere(self, client, book):
        order = TradeOrder.objects.get(pk=book[TradeOrder])
        for model in (TradeOrder, MerchantEvent):
            text = client.get(page(model, "change", book[model])).content.decode()
            assert order.cashier_secret not in text

    def test_it_is_found_by_any_number(self, client, book):
        paid, late, refunded = book["paid"], book["late"], book["refunded"]
        order = TradeOrder.objects.get(pk=paid.order)
        numbers_of = {
            paid.order: [
                *(paid.order, paid.payment, order.merchant_order_no, book[MerchantEvent]),
                *(book[Delivery], book[Journal], paid.merchant["merchant_no"]),
            ],
            late.order: [late.attempt, book[LateMoney], book[Case], late.trade_no],
            refunded.order: [
                refunded.refund,
                Refund.objects.get(pk=refunded.refund).merchant_refund_no,
            ],
        }
        for order_no, known in numbers_of.items():
            for number in known:
                found = client.get(page(TradeOrder, "changelist"), {"q": f" {number} "})
                assert order_no in found.content.decode(), number
        for number in (paid.order, paid.payment, late.attempt):
            found = client.get(page(TradeOrder, "changelist"), {"q": number.upper()})
            assert "/change/" in found.content.decode(), number
        for unknown in ("ord_x", "evt_x", "dlv_x", "jnl_x", "att_x", "cas_x", "thing"):
            found = client.get(page(TradeOrder, "changelist"), {"q": unknown})
            assert "/change/" not in found.content.decode(), unknown


def test_a_callback_is_shown_without_card_numbers(client, book):
    text = client.get(page(ChannelCallback, "change", book[ChannelCallback])).content.decode()
    assert "card_number" in text
    assert "4111111111111111" not in text


def test_a_callbacks_title_tells_the_time_of_its_page(client, book):
    callback = ChannelCallback.objects.get(pk=book[ChannelCallback])
    here = callback.received_at.astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE))
    text = client.get(page(ChannelCallback, "change", callback.pk)).content.decode()
    (title,) = re.findall(r"<title>(.*?)</title>", text, flags=re.DOTALL)
    assert f"{here:%Y-%m-%d %H:%M:%S}" in title


def test_a_saved_cards_token_is_nowhere(client, book):
    stored = SavedCard.objects.get(pk=book[SavedCard]).token
    for address in (
        page(SavedCard, "changelist"),
        page(SavedCard, "change", book[SavedCard]),
        act_page(SavedCard, book[SavedCard], "remove"),
    ):
        text = client.get(address).content.decode()
        assert book[SavedCard] in text
        assert CHANNELS_TOKEN not in text
        assert stored not in text


def test_why_an_attempt_is_unknown_can_be_read(client):
    trade = trades.paying()
    answer = ChannelAnswer(Outcome.UNKNOWN, raw="ReadTimeout after 8 s")
    apply_attempt_outcome(attempt_no=trade.attempt, answer=answer, cause=Cause.INQUIRY)
    text = client.get(page(ChannelAttempt, "change", trade.attempt)).content.decode()
    for shown in ("ReadTimeout after 8 s", "UNKNOWN", "inquiry"):
        assert shown in text


ACTS = [
    (Merchant, "change-settings", "acquiring.change_merchant"),
    (Merchant, "change-cashier-look", "acquiring.change_merchant"),
    (Merchant, "place-settlement-hold", "acquiring.add_settlementhold"),
    (Merchant, "propose-key", "console.propose_merchant_key"),
    (Credential, "propose-successor", "console.propose_merchant_key"),
    (Merchant, "redeliver-dead-letters", "acquiring.add_delivery"),
    (Credential, "revoke", "acquiring.change_credential"),
    (MerchantEvent, "redeliver", "acquiring.add_delivery"),
    (WebhookEndpoint, "disable", "acquiring.change_webhookendpoint"),
    (WebhookEndpoint, "enable", "acquiring.change_webhookendpoint"),
    (PayerWallet, "unlock", "checkout.change_payerwallet"),
    (PayerAgreement, "revoke", "checkout.change_payeragreement"),
    (ChannelCallback, "replay", "engine.change_channelcallback"),
    (SavedCard, "remove", "engine.change_savedcard"),
]
TOUCHED = (
    Merchant,
    CashierLook,
    Credential,
    Delivery,
    WebhookEndpoint,
    PayerWallet,
    PayerAgreement,
    ChannelCallback,
    SavedCard,
    SettlementHold,
)


def subject_of(book: dict[Any, Any], model: Any, path: str) -> Any:
    """A row that has something to do for this act."""
    merchant_no = make_merchant()["merchant_no"]
    if path == "redeliver-dead-letters":
        record_event(merchant_no)
        end_deliveries(merchant_no, DEAD)
        return merchant_no
    if path == "enable":
        endpoint_id = make_endpoint(merchant_no, ENDPOINT_URL)
        disable_endpoint(endpoint_id=endpoint_id)
        return endpoint_id
    if path == "unlock":
        PayerWallet.objects.filter(pk=book[model]).update(wrong_tries=1)
    return book[model]


class TestActs:
    @pytest.mark.parametrize(
        "act", ACTS, ids=[f"{model.__name__} {path}" for model, path, _ in ACTS]
    )
    def test_nothing_happens_without_post_permission_and_reason(self, client, book, act):
        model, path, permission = act
        subject = subject_of(book, model, path)
        address = act_page(model, subject, path)
        opts = model._meta
        viewer = log_in(operator_with(f"{opts.app_label}.view_{opts.model_name}"))
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(operator_with(permission), backend=BACKEND)
        before = [every_row(touched) for touched in (*TOUCHED, AuditLog)]

        assert client.get(address).status_code == 200
        assert client.get(address, {"reason": "because"}).status_code == 200
        assert client.post(address, {"reason": " "}).status_code == 200
        assert viewer.get(address).status_code == 403
        assert viewer.post(address, {"reason": "because"}).status_code == 403
        assert careful.post(address, {"reason": "because"}).status_code == 403
        assert Client().post(address, {"reason": "because"}).status_code == 302
        assert address not in viewer.get(page(model, "change", subject)).content.decode()
        assert address in client.get(page(model, "change", subject)).content.decode()

        assert [every_row(touched) for touched in (*TOUCHED, AuditLog)] == before

    def audited(self, book: dict[Any, Any], action: str, object_no: object) -> AuditLog:
        line = AuditLog.objects.get(action=action, object_no=str(object_no))
        assert (line.operator, line.reason) == (book["operator"].username, "because")
        return line

    def test_a_key_is_revoked_by_one(self, client):
        merchant = make_merchant()
        key_id, secret = merchant["key_id"], merchant["secret_key"]
        assert authenticate_bearer(secret=secret).key_id == key_id
        done = client.post(act_page(Credential, key_id, "revoke"), {"reason": "because"})
        assert (done.status_code, done["Location"]) == (302, page(Credential, "change", key_id))
        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=secret)
        line = AuditLog.objects.get(action="revoke_credential", object_no=key_id)
        assert (line.before, set(line.after)) == ({"revoked_at": None}, {"revoked_at"})

    def test_a_merchant_is_changed_and_what_changed_is_kept(self, client, book):
        merchant = make_merchant(name="Before")
        address = act_page(Merchant, merchant["merchant_no"], "change-settings")
        assert 'value="Before"' in client.get(address).content.decode()
        fields = {
            "name": "After",
            "return_origins": "https://A.example\nhttps://b.example:8443",
            "late_money_policy": "HOLD",
            "late_money_ask_minutes": 30,
            "max_refunds_per_order": 3,
            "refund_window_days": 90,
            "status": "DISABLED",
            "reason": "because",
        }
        assert client.post(address, fields).status_code == 302
        changed = Merchant.objects.get(pk=merchant["merchant_no"])
        assert changed.return_origins == ["https://a.example", "https://b.example:8443"]
        assert (changed.name, changed.status) == ("After", "DISABLED")
        assert (changed.max_refunds_per_order, changed.refund_window_days) == (3, 90)
        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=merchant["secret_key"])
        line = self.audited(book, "change_merchant", merchant["merchant_no"])
        assert (line.before["name"], line.after["name"]) == ("Before", "After")

        before = every_row(Merchant)
        wrong = client.post(address, fields | {"return_origins": "ftp://x"}, follow=True)
        assert "Not a web origin" in wrong.content.decode()
        for refused in (
            {"status": "GONE"},
            {"max_refunds_per_order": -1},
            {"refund_window_days": ""},
        ):
            assert client.post(address, fields | refused).status_code == 200
        assert every_row(Merchant) == before

    def test_a_cashiers_look_is_changed_and_what_changed_is_kept(self, client, book):
        merchant_no = make_merchant()["merchant_no"]
        address = act_page(Merchant, merchant_no, "change-cashier-look")
        fields = {"colour": "#FFD400", "embed_origins": "https://a.example", "reason": "because"}
        assert client.post(address, fields).status_code == 302
        assert 'value="#ffd400"' in client.get(address).content.decode()
        line = self.audited(book, "change_cashier_look", merchant_no)
        assert line.before == {"colour": "", "embed_origins": []}
        assert line.after == {"colour": "#ffd400", "embed_origins": ["https://a.example"]}
        before = every_row(CashierLook)
        wrong = client.post(address, fields | {"colour": "yellow"}, follow=True)
        assert "#rrggbb" in wrong.content.decode()
        assert every_row(CashierLook) == before
        assert AuditLog.objects.filter(object_no=merchant_no).count() == 1

    def test_a_risk_hold_is_placed_once_for_a_merchant_and_once_for_an_order(self, client, book):
        trade = make_trade()
        merchant_no = trade.merchant.merchant_no
        address = act_page(Merchant, merchant_no, "place-settlement-hold")
        for order_no in ("", trade.order_no, trade.order_no):
            fields = {"order_no": order_no, "reason": "because"}
            assert client.post(address, fields).status_code == 302
        holds = SettlementHold.objects.filter(merchant_no=merchant_no)
        assert {hold.order_no for hold in holds} == {None, trade.order_no}
        assert all((hold.status, hold.reason) == ("ACTIVE", "because") for hold in holds)
        assert holds.count() == 2
        before = every_row(SettlementHold)
        elsewhere = {"order_no": make_trade().order_no, "reason": "because"}
        assert "has no order" in client.post(address, elsewhere, follow=True).content.decode()
        assert every_row(SettlementHold) == before

    def test_an_endpoint_is_switched_off_and_on_again(self, client, book):
        merchant_no = make_merchant()["merchant_no"]
        endpoint_id = make_endpoint(merchant_no, ENDPOINT_URL, events=("order.success",))
        event_id = record_event(merchant_no, None)
        shown = client.get(page(Merchant, "change", merchant_no)).content.decode()
        assert endpoint_id in shown
        assert ENDPOINT_URL in shown
        secrets = WebhookEndpoint.objects.get(pk=endpoint_id).secrets
        for path, enabled, reason in (("disable", False, "operator"), ("enable", True, None)):
            address = act_page(WebhookEndpoint, endpoint_id, path)
            shown = client.get(page(WebhookEndpoint, "change", endpoint_id)).content.decode()
            assert address in shown
            assert client.post(address, {"reason": "because"}).status_code == 302
            assert client.post(address, {"reason": "because"}).status_code == 302
            shown = client.get(page(WebhookEndpoint, "change", endpoint_id)).content.decode()
            assert address not in shown
            endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
            assert (endpoint.enabled, endpoint.disabled_reason) == (enabled, reason)
            line = self.audited(book, f"{path}_endpoint", endpoint_id)
            assert line.after["enabled"] is enabled
        assert Delivery.objects.get(event_id=event_id).reason == "endpoint_disabled"
        text = client.get(page(WebhookEndpoint, "change", endpoint_id)).content.decode()
        assert "order.success" in text
        assert secrets not in text

    def test_an_event_is_delivered_again(self, client, book):
        event = MerchantEvent.objects.get(
            object_no=trades.closed(notify_url="https://x.example/").order
        )
        address = act_page(MerchantEvent, event.pk, "redeliver")
        assert client.post(address, {"reason": "because"}).status_code == 302
        assert Delivery.objects.filter(event=event, status="DUE").count() == 1
        self.audited(book, "redeliver_event", event.pk)

    def test_a_refusal_is_said_and_leaves_no_line(self, client):
        event = MerchantEvent.objects.get(object_no=trades.closed(notify_url=None).order)
        address = act_page(MerchantEvent, event.pk, "redeliver")
        refused = client.post(address, {"reason": "because"}, follow=True)
        assert "no_delivery_target" in refused.content.decode()
        assert not AuditLog.objects.filter(object_no=event.pk).exists()
        assert Delivery.objects.filter(event=event).count() == 1

    def test_a_wallet_is_unlocked(self, client, book):
        payer = book[PayerWallet]
        address = act_page(PayerWallet, payer, "unlock")
        shown_on = page(PayerWallet, "change", payer)
        PayerWallet.objects.filter(pk=payer).update(wrong_tries=0, locked_until=None)
        assert address not in client.get(shown_on).content.decode()
        PayerWallet.objects.filter(pk=payer).update(
            wrong_tries=5, locked_until="2099-01-01T00:00:00Z"
        )
        assert address in client.get(shown_on).content.decode()
        assert client.post(address, {"reason": "because"}).status_code == 302
        verify_payment_password(payer_no=payer, password=PASSWORD)
        line = self.audited(book, "unlock_wallet", payer)
        assert line.before["wrong_tries"] == 5

    def test_an_agreement_is_revoked(self, client, book):
        agreement = book[PayerAgreement]
        address = act_page(PayerAgreement, agreement, "revoke")
        assert client.post(address, {"reason": "because"}).status_code == 302
        assert PayerAgreement.objects.get(pk=agreement).revoked_at is not None
        self.audited(book, "revoke_agreement", agreement)

    def test_a_callback_is_replayed_once_and_for_all(self, client, book):
        trade = trades.paying()
        channel = get_channel("sandbox")
        body = codec.encode(
            {
                "request_no": trade.attempt,
                "merchant_account": channel.merchant_account,
                "status": "SUCCEEDED",
                "amount": trades.AMOUNT,
                "currency": "CNY",
                "channel_trade_no": numbers.new_number("trd"),
            }
        )
        key = codec.derive_key(
            secret=settings.SANDBOX_SIGNING_KEY,
            channel="sandbox",
            purpose=codec.Purpose.NOTIFICATION,
        )
        headers = codec.sign_notification(key=key, account=channel.merchant_account, body=body)
        stored = ChannelCallback.objects.create(channel_code="sandbox", headers=headers, body=body)
        address = act_page(ChannelCallback, stored.pk, "replay")
        for note in ("paid", "repeated"):
            done = client.post(address, {"reason": "because"}, follow=True)
            assert note in done.content.decode()
        assert TradeOrder.objects.get(pk=trade.order).status == "SUCCESS"
        first, second = AuditLog.objects.filter(action="replay", object_no=str(stored.pk)).order_by(
            "pk"
        )
        assert (first.after["result"], first.after["note"]) == ("APPLIED", "paid")
        assert second.after == {"note": "repeated"}

    def test_a_callback_that_does_not_verify_is_replayed_in_vain(self, client, book):
        before = every_row(TradeOrder)
        done = client.post(
            act_page(ChannelCallback, book[ChannelCallback], "replay"),
            {"reason": "because"},
            follow=True,
        )
        assert "REFUSED" in done.content.decode()
        assert every_row(TradeOrder) == before
        self.audited(book, "replay", book[ChannelCallback])

    def test_a_saved_card_is_removed(self, client, book):
        address = act_page(SavedCard, book[SavedCard], "remove")
        assert client.post(address, {"reason": "because"}).status_code == 302
        assert SavedCard.objects.get(pk=book[SavedCard]).removed_at is not None
        assert set(self.audited(book, "remove", book[SavedCard]).after) == {"removed_at"}
