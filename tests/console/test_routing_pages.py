"""Why was this not offered, why did it go there: on the order's page and by a command; what operators may change."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from acquiring.contracts import Method
from checkout.models import MerchantMethod, PaymentMethod, RouteBookVersion
from checkout.services.catalogues import change_method, get_catalogue
from checkout.services.route_books import adopt_route_book
from engine import health
from engine.models import BreakerMove, ChannelSwitch, KnownChannel, MaintenanceWindow
from engine.services.breakers import close_breaker, end_maintenance
from engine.services.channel_switches import disable_channel, enable_channel, is_disabled
from paymentplatform.console.models import AuditLog, Proposal
from paymentplatform.console.services.proposals import (
    NewProposal,
    approve_proposal,
    make_proposal,
)
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from paymentplatform.kernel.roles import Role
from tests.checkout.test_consult import consult, terms_of
from tests.checkout.test_route_decisions import newest
from tests.console.proposals import approve, operator
from tests.console.test_agreement_pages import client, table
from tests.engine.conftest import channels
from tests.engine.scripted import ScriptedChannel
from tests.engine.test_funnel import PENDING
from tests.makers import make_merchant
from tests.trading import Trade, make_trade

__all__ = ["channels", "client"]
Channels = tuple[ScriptedChannel, ScriptedChannel]


@pytest.fixture
def trade(channels: Channels) -> Trade:
    """An order that was offered to its payer and paid by QR code."""
    made = make_trade(allowed_methods=["QR_CODE", "BALANCE"])
    consult(made, asked_by="cashier")
    channels[0].pay_answers.append(PENDING)
    made.pay()
    return made


def page(model: Any, key: object, act: str = "") -> str:
    opts = model._meta
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[key])
    return address.removesuffix("change/") + f"{act}/" if act else address


def explain(*arguments: object) -> tuple[int, Any, str]:
    """Run the command with --json, then for people; returns code, document and text."""
    out, code = io.StringIO(), 0
    try:
        call_command("explain_route", *map(str, arguments), "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    shown = io.StringIO()
    if code == 0:
        call_command("explain_route", *map(str, arguments), stdout=shown)
    return code, json.loads(out.getvalue()), shown.getvalue()


def test_the_orders_page_tells_what_was_offered_and_where_it_went(client: Client, trade: Trade):
    text = client.get(page_of_order(trade)).content.decode()
    offered = table(text, "Offered at")
    assert "not_allowed_by_merchant: the order&#x27;s allowed_methods leave it out" in offered
    assert offered.index("BALANCE") < offered.index("QR_CODE") < offered.index("NET_BANKING")
    assert "catalogue place 2" in offered
    assert "&lt;" not in text[text.index("Offered at") :]
    route = table(text, "Route of pay_")
    assert route.index("scripted") < route.index("scripted2")
    assert "first: the payment went there first" in route
    assert "fallback" in route
    chinese = client.get(page_of_order(trade), headers={"Accept-Language": "zh-CN"})
    assert "首选，付款发往此渠道" in chinese.content.decode()


def page_of_order(trade: Trade) -> str:
    return reverse("admin:acquiring_tradeorder_change", args=[trade.order_no])


class TestCommand:
    def test_it_explains_a_payment_that_was_and_agrees_with_itself(self, trade: Trade):
        for number in (trade.order_no, trade.payments()[0]["payment_no"]):
            code, document, text = explain(number)
            assert code == 0
            (route,) = document["routes"]
            assert route["order_no"] == trade.order_no
            assert route["replay_agrees"] is True
            assert [row["reason"] for row in route["candidates"]] == ["first", "fallback"]
            assert route["facts"]["merchant_no"] == trade.merchant.merchant_no
            assert "scripted2" in text

    def test_it_tells_where_one_would_go_now(self, channels: Channels):
        merchant_no = make_merchant()["merchant_no"]
        wish = ("--merchant", merchant_no, "--currency", "CNY", "--amount", 1280)
        code, document, text = explain(*wish, "--method", "QR_CODE")
        assert (code, document["candidates"][0]["channel"]) == (0, "scripted")
        assert "scripted2" in text
        code, document, _ = explain(*wish, "--method", "WALLET", "--wallet", "BLUE_WALLET")
        assert {row["reason"] for row in document["candidates"]} == {"method_not_supported"}

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ((), 2),
            (("ord_x", "--amount", "5"), 2),
            (("--merchant", "mch_x", "--method", "QR_CODE", "--currency", "CNY"), 2),
            (
                (
                    "--merchant",
                    "mch_x",
                    "--method",
                    "QR_CODE",
                    "--currency",
                    "CNY",
                    "--amount",
                    "0",
                ),
                2,
            ),
            (
                (
                    "--merchant",
                    "mch_x",
                    "--method",
                    "QR_CODE",
                    "--currency",
                    "CNY",
                    "--amount",
                    "5",
                ),
                1,
            ),
            (("ord_01k0000000000000000001",), 1),
        ],
    )
    def test_wrong_use_and_nothing_found(
        self, channels: Channels, arguments: tuple[str, ...], code: int
    ):
        ended, document, _ = explain(*arguments)
        assert ended == code
        assert document["error"]["code"] in {"invalid_request", "not_found"}


class TestCatalogue:
    @pytest.fixture(autouse=True)
    def _terms(self) -> Iterator[None]:
        before = terms_of("NET_BANKING")
        yield
        change_method(method="NET_BANKING", terms=before)

    def form(self, **changes: Any) -> dict[str, Any]:
        terms = {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in terms_of("NET_BANKING").items()
            if value is not None
        }
        return terms | {"is_on": "on", "reason": "their wish"} | changes

    def test_a_change_is_asked_confirmed_and_written_down(self, client: Client):
        address = page(PaymentMethod, "NET_BANKING", "change-terms")
        asked = client.get(address).content.decode()
        assert "Net banking" in asked
        client.post(
            address, self.form(currencies='["CNY"]', hours='[{"start": "08:00", "end": "20:00"}]')
        )
        row = get_catalogue().find_method("NET_BANKING")
        assert row is not None
        assert row.currencies == ("CNY",)
        line = AuditLog.objects.filter(object_no="NET_BANKING").order_by("-id").first()
        assert line is not None
        assert (line.action, line.reason) == ("change_terms", "their wish")
        assert line.after == {"currencies": ["CNY"], "hours": [{"start": "08:00", "end": "20:00"}]}

    def test_a_fault_stands_at_its_field_and_changes_nothing(self, client: Client):
        before = PaymentMethod.objects.filter(code="NET_BANKING").values().get()
        answer = client.post(
            page(PaymentMethod, "NET_BANKING", "change-terms"), self.form(currencies='["XXX"]')
        )
        assert "XXX is not enabled" in answer.content.decode()
        assert PaymentMethod.objects.filter(code="NET_BANKING").values().get() == before

    def test_a_merchants_choice_is_set_and_shown(self, client: Client):
        merchant_no = make_merchant()["merchant_no"]
        address = page(PaymentMethod, "NET_BANKING", "set-for-merchant")
        client.post(address, {"merchant_no": merchant_no, "preference": "3", "reason": "x"})
        choice = MerchantMethod.objects.get(merchant_no=merchant_no)
        assert (choice.method_id, choice.is_on, choice.preference) == ("NET_BANKING", False, 3)
        line = AuditLog.objects.get(object_no=merchant_no)
        assert line.after == {"method": "NET_BANKING", "is_on": False, "preference": 3}
        assert merchant_no in client.get(page(PaymentMethod, "NET_BANKING")).content.decode()
        client.post(address, {"merchant_no": "mch_none", "reason": "x"})
        assert not MerchantMethod.objects.filter(merchant_no="mch_none").exists()


class TestChannels:
    def test_maintenance_is_planned_shown_and_ended(self, client: Client, channels: Channels):
        KnownChannel.objects.get_or_create(code="scripted2")
        address = page(KnownChannel, "scripted2", "plan-maintenance")
        client.post(address, {"method": "", "minutes": "5", "reason": "their new version"})
        window = MaintenanceWindow.objects.filter(channel_code="scripted2").latest("id")
        try:
            assert (window.reason, window.method) == ("their new version", None)
            shown = client.get(page(KnownChannel, "scripted2")).content.decode()
            assert "their new version" in table(shown, "Maintenance windows")
            assert "yes" in table(shown, "Now")
            assert AuditLog.objects.filter(
                object_no="scripted2", action="plan_maintenance"
            ).exists()
        finally:
            client.post(page(MaintenanceWindow, window.pk, "end"), {"reason": "done"})
        assert MaintenanceWindow.objects.get(pk=window.pk).ended_at is not None
        with pytest.raises(Exception, match="over already"):
            end_maintenance(window_id=window.pk)

    def test_a_breaker_is_shown_and_closed(self, client: Client, channels: Channels):
        KnownChannel.objects.get_or_create(code="scripted2")
        BreakerMove.objects.create(
            channel_code="scripted2",
            method=Method.QR_CODE,
            state="HALF_OPEN",
            trips=1,
            good=0,
            bad=5,
            cause="test",
            actor="test",
        )
        health.forget_health()
        assert "HALF_OPEN" in client.get(page(KnownChannel, "scripted2")).content.decode()
        act = page(KnownChannel, "scripted2", "close-breaker")
        client.post(act, {"method": "QR_CODE", "reason": "they called"})
        newest = BreakerMove.objects.filter(channel_code="scripted2").latest("id")
        assert (newest.state, newest.cause) == ("CLOSED", "operator")
        assert newest.actor.startswith("operator:")
        with pytest.raises(Exception, match="is closed"):
            close_breaker(channel_code="scripted2", method="QR_CODE")


def open_again(code: str) -> None:
    """Leave a channel as other tests expect it."""
    if is_disabled(channel_code=code):
        with transaction.atomic():
            enable_channel(channel_code=code, reason="test", made_by="test")
    health.forget_health()


class TestDisabling:
    def test_one_person_disables_and_two_enable(self, client: Client, channels: Channels):
        KnownChannel.objects.get_or_create(code="scripted2")
        own = page(KnownChannel, "scripted2")
        act, propose = (page(KnownChannel, "scripted2", x) for x in ("disable", "propose-enabling"))
        assert client.get(propose).status_code == 302, "there is nothing to enable"
        client.post(act, {"reason": " "})
        assert not is_disabled(channel_code="scripted2")
        client.post(act, {"reason": "their books are wrong"})
        try:
            assert is_disabled(channel_code="scripted2")
            line = AuditLog.objects.filter(object_no="scripted2", action="disable_channel").get()
            assert line.reason == "their books are wrong"
            shown = client.get(own).content.decode()
            assert "DISABLED" in shown
            assert "their books are wrong" in table(shown, "Disabled and enabled")
            assert "scripted2" in client.get(reverse("admin:index")).content.decode()
            client.post(propose, {"reason": "they mended it"})
            made = Proposal.objects.filter(kind="channel_enabling").latest("proposal_no")
            assert is_disabled(channel_code="scripted2"), "one is not enough"
            approve_proposal(
                proposal_no=made.proposal_no,
                operator=operator(Role.RISK),
                preview_hash=made.preview_hash,
                reason="seen their letter",
            )
        finally:
            open_again("scripted2")
        assert not is_disabled(channel_code="scripted2")
        shown = client.get(own).content.decode()
        assert "seen their letter" in table(shown, "Disabled and enabled")
        assert "propose-enabling" not in shown

    def test_an_approval_of_what_was_enabled_meanwhile_changes_nothing(self, channels: Channels):
        disable_channel(channel_code="scripted2", reason="x", made_by="ann")
        wish = NewProposal(
            "channel_enabling", {"channel_code": "scripted2"}, operator(Role.RISK), "mended"
        )
        made = make_proposal(wish).proposal
        with transaction.atomic():
            enable_channel(channel_code="scripted2", reason="x", made_by="ann, bob")
        before = ChannelSwitch.objects.count()
        with pytest.raises(DomainError):
            approve(made, checker=operator(Role.OPERATOR))
        assert ChannelSwitch.objects.count() == before


class TestRouteBook:
    def wish(self, **changes: Any) -> NewProposal:
        costs = [{"channel": "scripted", "rate_ppm": 5_000 + newest()}]
        payload = {"document": {"costs": costs}, "based_on": newest()} | changes
        return NewProposal("route_book", payload, operator(Role.OPERATOR), "a cheaper contract")

    def test_two_people_put_a_version_in_force(self, client: Client, channels: Channels):
        before = newest()
        book = page(RouteBookVersion, before, "propose-version")
        assert "Takes the place of" in client.get(book).content.decode()
        document = json.dumps({"costs": [{"channel": "scripted2", "rate_ppm": 1_000 + before}]})
        client.post(book, {"document": document, "based_on": before, "reason": "cheaper"})
        made = Proposal.objects.filter(kind="route_book").latest("proposal_no")
        assert made.preview["effects"]["rest_changed"] == "costs"
        assert newest() == before, "one is not enough"
        done = approve_proposal(
            proposal_no=made.proposal_no,
            operator=operator(Role.RISK),
            preview_hash=made.preview_hash,
            reason="seen their letter",
        )
        row = RouteBookVersion.objects.get(version=before + 1)
        assert done.proposal.result == f"route book {before + 1}"
        assert row.document == json.loads(document)
        assert row.reason == "seen their letter"
        shown = client.get(page(RouteBookVersion, before + 1)).content.decode()
        assert "scripted2" in shown

    def test_a_version_that_was_overtaken_is_not_approved(self, channels: Channels):
        first = make_proposal(self.wish()).proposal
        standing = newest()
        adopt_route_book(
            document={"costs": [{"channel": "scripted", "rate_ppm": standing}]},
            based_on=standing,
            reason="in a hurry",
            made_by="x",
        )
        with pytest.raises(DomainError):
            approve(first, checker=operator(Role.OPERATOR))
        assert newest() == standing + 1

    def test_faults_are_told_before_anybody_is_asked(self, client: Client, channels: Channels):
        before = Proposal.objects.count(), newest()
        stranger = {"otherwise": {"channels": [{"channel": "nobody"}]}}
        with pytest.raises(InvalidRequest):
            make_proposal(self.wish(document=stranger))
        answer = client.post(
            page(RouteBookVersion, newest(), "propose-version"),
            {"document": json.dumps(stranger), "based_on": newest(), "reason": "x"},
        )
        assert "there is no channel nobody" in answer.content.decode()
        assert (Proposal.objects.count(), newest()) == before
