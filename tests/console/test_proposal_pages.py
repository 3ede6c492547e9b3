"""The queue of proposals: seen by whoever may, decided by a second person with a reason, and the payer's statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils.translation import override

from acquiring.models import Credential, Merchant
from checkout.models import PayerWallet
from engine.admin.channel_settling import tell_owed
from engine.models import Case, ChannelSwitch, KnownChannel, LateMoney
from ledger import api as ledger
from paymentplatform.console.models import AuditLog, Proposal
from paymentplatform.console.notices import count_waiting_proposals
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin_tables import clean_number, name_amounts
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.roles import Role
from tests.console import trades
from tests.console.proposals import AMOUNT, approve, approved, operator, proposed
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.makers import make_merchant, make_payer

MAY = (
    "console.view_proposal",
    "console.approve_proposal",
    "console.propose_payer_top_up",
    "console.approve_payer_top_up",
    "console.withdraw_proposal",
)


@pytest.fixture
def payer() -> str:
    return make_payer(balance=0)


@pytest.fixture
def checker() -> User:
    return operator_with(*MAY)


def balance(payer: str) -> int:
    account = ledger.payer_balance(payer_no=payer, currency="CNY")
    return ledger.get_balance(account_code=account).balance


def text_of(response: Any) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def offered(client: Client, proposal_no: str) -> set[str]:
    shown = client.get(page(Proposal, "change", proposal_no)).content.decode()
    paths = ("approve", "refuse", "withdraw")
    return {path for path in paths if act_page(Proposal, proposal_no, path) in shown}


class TestQueue:
    def test_the_menu_opens_those_that_wait(self, payer, checker):
        waits, done = proposed(payer=payer), approved(payer=payer)
        client, queue = log_in(checker), page(Proposal, "changelist")
        assert f'href="{queue}?status__exact=OPEN"' in client.get(queue).content.decode()
        listed = client.get(queue, {"q": payer, "status__exact": "OPEN"}).content.decode()
        assert waits.proposal_no in listed
        assert done.proposal_no not in listed
        both = client.get(queue, {"q": payer}).content.decode()
        assert both.index(done.proposal_no) < both.index(waits.proposal_no), "the newest first"

    def test_the_journal_is_shown_for_people(self, payer, checker):
        made = proposed(payer=payer, amount=1_234_56)
        with override("en"):
            client = log_in(checker)
            for address in (
                page(Proposal, "change", made.proposal_no),
                act_page(Proposal, made.proposal_no, "approve"),
            ):
                shown = text_of(client.get(address, headers={"Accept-Language": "en"}))
                assert f"The journal to be posted: Top-up of a payer · {made.reference}" in shown
                assert "Bank A20:platform:CNY" in shown
                assert f"Payer balance L10:{payer}:CNY 1,234.56 CNY" in shown

    def test_only_a_second_person_is_offered_a_decision(self, payer, checker):
        mine = proposed(payer=payer, maker=checker.username)
        client = log_in(checker)
        assert offered(client, mine.proposal_no) == {"withdraw"}
        assert offered(client, proposed(payer=payer).proposal_no) == {"approve", "refuse"}
        assert offered(client, approved(payer=payer).proposal_no) == set()
        viewer = log_in(operator_with("console.view_proposal"))
        assert offered(viewer, mine.proposal_no) == set()
        shown = client.get(
            page(Proposal, "change", mine.proposal_no), headers={"Accept-Language": "en"}
        )
        assert "another person must approve" in text_of(shown)


class TestDeciding:
    def test_an_approval_is_done_and_audited_once(self, payer, checker):
        made, client = proposed(payer=payer), log_in(checker)
        address = act_page(Proposal, made.proposal_no, "approve")
        asked = client.get(address).content.decode()
        assert f'name="preview_hash" value="{made.preview_hash}"' in asked
        answers = {"reason": "because", "preview_hash": made.preview_hash}
        done = client.post(address, answers)
        assert (done.status_code, balance(payer)) == (302, AMOUNT)
        row = Proposal.objects.get(pk=made.proposal_no)
        assert (row.status, row.checker, row.decision_reason) == (
            "APPROVED",
            checker.username,
            "because",
        )
        (line,) = AuditLog.objects.filter(object_no=row.pk, operator=checker.username)
        assert (line.action, line.reason) == ("approve_proposal", "because")
        client.post(address, answers)
        assert balance(payer) == AMOUNT

    @pytest.mark.parametrize("path", ["approve", "refuse", "withdraw"])
    def test_nothing_happens_without_post_permission_reason_and_hash(self, payer, checker, path):
        maker = checker.username if path == "withdraw" else None
        made = proposed(payer=payer, maker=maker)
        address = act_page(Proposal, made.proposal_no, path)
        client, viewer = log_in(checker), log_in(operator_with("console.view_proposal"))
        careful = Client(enforce_csrf_checks=True)
        careful.force_login(checker, backend="django.contrib.auth.backends.ModelBackend")
        answers = {"reason": "because", "preview_hash": made.preview_hash}
        before = list(AuditLog.objects.filter(object_no=made.proposal_no).values())
        assert client.get(address, answers).status_code == 200
        assert client.post(address, answers | {"reason": " "}).status_code == 200
        assert viewer.post(address, answers).status_code == 403
        assert careful.post(address, answers).status_code == 403
        assert Client().post(address, answers).status_code == 302
        if path == "approve":
            wrong = client.post(address, answers | {"preview_hash": "0" * 64}, follow=True)
            assert "proposal_changed" in wrong.content.decode()
            assert client.post(address, {"reason": "because"}).status_code == 200
        assert Proposal.objects.get(pk=made.proposal_no).status == "OPEN"
        assert list(AuditLog.objects.filter(object_no=made.proposal_no).values()) == before
        assert balance(payer) == 0

    def test_the_maker_is_told_that_another_person_must(self, payer, checker):
        made = proposed(payer=payer, maker=checker.username)
        address = act_page(Proposal, made.proposal_no, "approve")
        answers = {"reason": "because", "preview_hash": made.preview_hash}
        refused = log_in(checker).post(address, answers, follow=True)
        assert "second_person_required" in refused.content.decode()
        assert (Proposal.objects.get(pk=made.proposal_no).status, balance(payer)) == ("OPEN", 0)

    @pytest.mark.parametrize(("path", "status"), [("refuse", "REFUSED"), ("withdraw", "WITHDRAWN")])
    def test_a_no_ends_it(self, payer, checker, path, status):
        maker = checker.username if path == "withdraw" else None
        made = proposed(payer=payer, maker=maker)
        log_in(checker).post(act_page(Proposal, made.proposal_no, path), {"reason": "because"})
        row = Proposal.objects.get(pk=made.proposal_no)
        assert (row.status, row.decision_reason, balance(payer)) == (status, "because", 0)
        line = AuditLog.objects.filter(object_no=row.pk).latest("id")
        assert (line.action, line.operator) == (f"{path}_proposal", checker.username)

    def test_a_proposal_past_its_time_is_offered_to_nobody(self, payer, checker, clock):
        made = proposed(payer=payer)
        clock.advance(7 * 86_400 + 1)
        client = log_in(checker)
        assert offered(client, made.proposal_no) == set()
        answers = {"reason": "because", "preview_hash": made.preview_hash}
        address = act_page(Proposal, made.proposal_no, "approve")
        assert "proposal_not_open" in client.post(address, answers, follow=True).content.decode()
        assert balance(payer) == 0


class TestWords:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            (" ORD_01K9ZQ3F7XW8V5M2N4P6R8 ", "ord_01k9zq3f7xw8v5m2n4p6r8"),
            ("ord_01k9zq3f7xw8\u30005m2n4p6r8x", "ord_01k9zq3f7xw85m2n4p6r8x"),
            (" SHOP_AB12 ", "SHOP_AB12"),
            ("Tea & Co", "Tea & Co"),
        ],
    )
    def test_our_numbers_are_found_however_they_were_copied(self, typed, meant):
        assert clean_number(typed) == meant

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("said 999 CNY, ours 1000 CNY", "said 9.99 CNY, ours 10.00 CNY"),
            ("said 999 JPY after its end", "said 999 JPY after its end"),
            ("HTTP 200 NOT, v1.100 CNY", "HTTP 200 NOT, v1.100 CNY"),
        ],
    )
    def test_amounts_in_texts_are_in_major_units(self, text, shown):
        assert name_amounts(text) == shown

    def test_a_case_says_amounts_for_people(self, checker):
        case = Case.objects.create(
            case_no=numbers.new_number(numbers.CASE),
            kind="amount_mismatch",
            object_no=trades.paying().attempt,
            detail="said 999 CNY, ours 1000 CNY",
        )
        client = log_in(operator_with("engine.view_case"))
        shown = client.get(page(Case, "change", case.pk))
        assert "渠道为 9.99 CNY，我方为 10.00 CNY" in text_of(shown)

    def test_a_heading_writes_a_number_as_it_is(self, payer, checker):
        made = proposed(payer=payer)
        shown = log_in(checker).get(page(Proposal, "change", made.proposal_no)).content.decode()
        assert made.proposal_no.capitalize() not in shown

    def test_times_name_their_zone_and_the_way_back_is_called_so(self, payer, checker):
        made = proposed(payer=payer)
        shown = text_of(
            log_in(checker).get(
                page(Proposal, "change", made.proposal_no), headers={"Accept-Language": "en"}
            )
        )
        times = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [+\w]+)?", shown)
        assert set(times) == {" +0800"}, "the business's zone, as the books have it"
        assert "Back to list" in shown
        assert " Close " not in shown


class TestStatementPage:
    def test_it_shows_every_movement_and_needs_the_permission(self, checker):
        trade = trades.paid_by_balance()
        client = log_in(operator_with("checkout.view_payerwallet"))
        address = act_page(PayerWallet, trade.payer, "statement")
        assert address in client.get(page(PayerWallet, "change", trade.payer)).content.decode()
        shown = text_of(client.get(address, headers={"Accept-Language": "en"}))
        assert re.search(r"Opening balance 0\.00 CNY", shown)
        assert re.search(rf"Payment {trade.payment} -10\.00 CNY 999,990\.00 CNY", shown)
        assert re.search(r"Closing balance 999,990\.00 CNY", shown)
        assert log_in(checker).get(address).status_code == 403

    def test_wrong_days_are_said(self, payer):
        client = log_in(operator_with("checkout.view_payerwallet"))
        address = act_page(PayerWallet, payer, "statement")
        for days in (
            {"from_date": "2026-02-01", "to_date": "2026-01-01"},
            {"from_date": "yesterday"},
        ):
            assert "errorlist" in client.get(address, days).content.decode()
        assert client.get(act_page(PayerWallet, "pyr_x", "statement")).status_code == 404

    def test_a_payer_without_money_has_an_empty_one(self, payer):
        approve(proposed(payer=payer, currency="JPY", amount=1))
        client = log_in(operator_with("checkout.view_payerwallet"))
        shown = text_of(client.get(act_page(PayerWallet, payer, "statement")))
        assert "1 JPY" in shown
        assert "CNY" not in shown


class TestNotices:
    def badge(self, client: Client) -> int:
        request = RequestFactory().get("/admin/")
        request.user = User.objects.get(pk=client.session["_auth_user_id"])
        return int(count_waiting_proposals(request) or 0)

    def test_the_menu_counts_what_waits_for_this_operator(self, payer):
        maker = User.objects.get(username=operator(Role.ACCOUNTANT))
        other = User.objects.get(username=operator(Role.ACCOUNTANT))
        viewer = User.objects.get(username=operator(Role.VIEWER))
        before = [self.badge(log_in(user)) for user in (maker, other, viewer)]
        proposed(payer=payer, maker=maker.username)
        after = [self.badge(log_in(user)) for user in (maker, other, viewer)]
        assert after == [before[0], min(before[1] + 1, 99), 0]


class TestProposingOnPages:
    """What has a page of its own that proposes it, filled in as an operator would."""

    def test_a_fee_contract_begins_with_the_one_in_force(self):
        merchant_no = make_merchant()["merchant_no"]
        client = log_in(operator_with("acquiring.view_merchant", "console.propose_fee_contract"))
        address = act_page(Merchant, merchant_no, "propose-fee-contract")
        asked = client.get(address).context["form"].initial
        newest = Merchant.objects.get(pk=merchant_no).fee_contracts.get()
        assert (asked["rate_ppm"], asked["settlement_days"]) == (
            newest.rate_ppm,
            newest.settlement_days,
        )
        fields = {"rate_ppm": 5000, "settlement_days": 2, "reason": "a better year"}
        wrong = '[{"rate_ppm": 2000, "method": "BARTER"}]'
        shown = client.post(address, fields | {"terms": wrong}, follow=True).content.decode()
        assert "BARTER is no payment method" in shown
        assert not Proposal.objects.filter(subject_no=merchant_no).exists()
        client.post(address, fields | {"terms": wrong.replace("BARTER", "BALANCE")})
        made = Proposal.objects.get(subject_no=merchant_no)
        assert (made.kind, made.status) == ("fee_contract", "OPEN")
        assert made.payload == {
            "merchant_no": merchant_no,
            "rate_ppm": 5000,
            "terms": [{"rate_ppm": 2000, "method": "BALANCE"}],
            "returned_on_refund": False,
            "settlement_days": 2,
            "valid_from": None,
        }

    def test_what_a_channel_settled_is_shown_as_its_journal(self):
        KnownChannel.objects.get_or_create(code="sandbox")
        client = log_in(
            operator_with("engine.view_knownchannel", "console.propose_channel_settlement")
        )
        fields = {"currency": "CNY", "reference": numbers.new_number("bnk"), "reason": "arrived"}
        address = act_page(KnownChannel, "sandbox", "propose-settlement")
        told = client.get(address, headers={"accept-language": "en"}).content.decode()
        assert "By our books it owes" in told
        client.post(address, fields | {"gross": 1000, "cost": 1001})
        assert not Proposal.objects.filter(reference__endswith=fields["reference"]).exists()
        client.post(address, fields | {"gross": 1000, "cost": 6})
        made = Proposal.objects.get(reference__endswith=fields["reference"])
        assert (made.kind, made.status) == ("channel_settlement", "OPEN")
        postings = made.preview["journal"]["postings"]
        assert {(line["debit"], line["amount"]) for line in postings} == {
            ("A20:platform:CNY", 994),
            ("X10:sandbox:CNY", 6),
        }

    def test_what_a_channel_owes_stands_below_the_form(self):
        code = numbers.new_number("chn")
        with override("en"):
            assert tell_owed(KnownChannel(code=code)) == "By our books it owes: –."
        draft = ledger.build_late_money_received(
            late_money_no=code, channel_code=code, currency="CNY", amount=12_34
        )
        transactions.start(ledger.post_journal)(draft=draft)
        with override("en"):
            assert tell_owed(KnownChannel(code=code)) == "By our books it owes: 12.34 CNY."


def _a_channel() -> tuple[Any, str, str]:
    code = numbers.new_number("chn")
    KnownChannel.objects.create(code=code)
    ChannelSwitch.objects.create(channel_code=code, is_disabled=True, reason="x", made_by="x")
    return KnownChannel, code, code


def _late_money() -> tuple[Any, str, str]:
    held = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
    late = LateMoney.objects.get(order_no=held.order)
    return LateMoney, late.pk, late.pk


def _a_merchant() -> tuple[Any, str, str]:
    number = make_merchant()["merchant_no"]
    return Merchant, number, number


def _a_key() -> tuple[Any, str, str]:
    merchant = make_merchant()
    return (
        Credential,
        Credential.objects.get(merchant_id=merchant["merchant_no"]).pk,
        merchant["merchant_no"],
    )


def _a_colleague() -> tuple[Any, str, str]:
    user = User.objects.get(username=operator(Role.VIEWER))
    return User, str(user.pk), user.username


@pytest.fixture
def planted() -> Iterator[list[Proposal]]:
    """Rows that nobody proposed; none stays open, to be expired by another test."""
    rows: list[Proposal] = []
    yield rows
    for row in rows:
        row.mark_withdrawn()
        row.decided_at, row.decision_reason = database_now(), "planted"
        row.save(update_fields=["status", "decided_at", "decision_reason"])


@pytest.mark.parametrize(
    ("kind", "path", "make"),
    [
        ("channel_enabling", "propose-enabling", _a_channel),
        ("late_money_decision", "propose-decision", _late_money),
        ("fee_contract", "propose-fee-contract", _a_merchant),
        ("merchant_key", "propose-key", _a_merchant),
        ("merchant_key", "propose-successor", _a_key),
        ("operator_access", "propose-access", _a_colleague),
    ],
)
def test_every_page_says_what_waits_about_it(kind, path, make, clock, planted):
    """And offers the same again as soon as it is over; another kind about the same thing hides nothing."""
    model, key, subject = make()
    client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
    act = act_page(model, key, path)

    def look() -> tuple[set[str], bool]:
        shown = client.get(page(model, "change", key)).content.decode()
        waits = {row.pk for row in planted if page(Proposal, "change", row.pk) in shown}
        return waits, act in shown

    assert look() == (set(), True)
    for one, offered in (("case_resolution", True), (kind, False)):
        planted.append(
            Proposal.objects.create(
                proposal_no=numbers.new_number(numbers.PROPOSAL),
                kind=one,
                subject_no=subject,
                reference=subject,
                payload={},
                preview={"journal": None, "effects": {}},
                preview_hash="0" * 64,
                maker="somebody",
                reason="x",
                created_at=database_now(),
                expires_at=database_now() + timedelta(days=1),
            )
        )
        assert look() == ({row.pk for row in planted}, offered)
    asked = client.post(act, {"reason": "again"}, follow=True).content.decode()
    assert planted[1].pk in asked
    assert Proposal.objects.filter(subject_no=subject).count() == 2
    clock.advance(2 * 86_400)
    assert look() == (set(), True), "their time is over"
