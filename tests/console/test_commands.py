"""Operators' commands: documents on stdout, exit codes, nothing done by a refusal or a dry run."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from acquiring.models import Credential, Merchant, TradeOrder
from acquiring.services.callers import authenticate_bearer
from acquiring.services.merchants import create_merchant, list_webhook_secrets
from engine.channels.registry import get_channel
from engine.channels.sandbox import codec
from engine.models import ChannelCallback
from engine.models import Transition as EngineTransition
from engine.services import inquiries
from ledger import api as ledger
from paymentplatform.console.models import AuditLog, Proposal, Transition
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.commands import build_table
from paymentplatform.kernel.errors import Unauthenticated
from paymentplatform.kernel.roles import Role
from tests.barrier import run_together
from tests.console import trades
from tests.console.proposals import operator, proposed
from tests.engine.scripted import ScriptedChannel, charged
from tests.environment import ROOT
from tests.makers import make_merchant, make_payer


def run(name: str, *arguments: object) -> tuple[int, Any]:
    """Run with --json; returns exit code and document."""
    out = io.StringIO()
    try:
        call_command(name, *map(str, arguments), "--json", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


class TestMerchants:
    def test_a_merchant_is_made_with_working_secrets(self):
        code, made = run(
            *("create_merchant", "--name", "Tea & Co", "--return-origin", "https://Tea.example"),
            *("--fee-rate-ppm", 6000, "--late-money-policy", "ASK"),
        )
        assert code == 0
        assert set(made) == {"merchant_no", "key_id", "secret_key", "webhook_secret"}
        assert authenticate_bearer(secret=made["secret_key"]).merchant_no == made["merchant_no"]
        merchant = Merchant.objects.get(pk=made["merchant_no"])
        assert (merchant.late_money_policy, merchant.return_origins) == (
            "ASK",
            ["https://tea.example"],
        )
        assert merchant.fee_contracts.get().rate_ppm == 6000

    @pytest.mark.parametrize(
        "wrong", [["--return-origin", "tea.example"], ["--fee-rate-ppm", "-1"]], ids=str
    )
    def test_what_is_wrong_makes_nothing(self, wrong):
        name = numbers.new_number("tst")
        code, answer = run("create_merchant", f"--name={name}", *wrong)
        assert (code, answer["error"]["code"]) == (2, "invalid_request")
        assert not Merchant.objects.filter(name=name).exists()

    def test_a_key_is_added_and_none_revoked(self):
        merchant = make_merchant()
        code, made = run(
            *("rotate_credential", "--merchant", merchant["merchant_no"]), "--algorithm=bearer"
        )
        assert (code, made["revoked"]) == (0, None)
        for secret in (merchant["secret_key"], made["secret_key"]):
            assert authenticate_bearer(secret=secret).merchant_no == merchant["merchant_no"]

    def test_a_named_key_is_revoked_in_the_same_moment(self):
        merchant = make_merchant()
        code, made = run(
            *("rotate_credential", "--merchant", merchant["merchant_no"], "--algorithm=bearer"),
            *("--revoke", merchant["key_id"]),
        )
        assert (code, made["revoked"]) == (0, merchant["key_id"])
        assert authenticate_bearer(secret=made["secret_key"]).key_id == made["key_id"]
        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=merchant["secret_key"])

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"--algorithm": "ed25519"}, (2, "invalid_request")),
            ({"--merchant": "mch_x"}, (1, "not_found")),
            ({"--revoke": "key_x"}, (1, "not_found")),
            ({"--revoke": "another merchant's"}, (1, "not_found")),
        ],
        ids=str,
    )
    def test_a_refusal_adds_and_revokes_nothing(self, change, expected):
        merchant, other = make_merchant(), make_merchant()
        options = {"--merchant": merchant["merchant_no"], "--algorithm": "bearer"} | change
        if options.get("--revoke") == "another merchant's":
            options["--revoke"] = other["key_id"]
        arguments = [word for pair in options.items() for word in pair]
        code, answer = run("rotate_credential", *arguments)
        assert (code, answer["error"]["code"]) == expected
        keys = Credential.objects.filter(
            merchant__in=[merchant["merchant_no"], other["merchant_no"]]
        )
        assert [key.revoked_at for key in keys] == [None, None]


def test_a_webhook_secret_is_rotated_and_the_one_before_goes_on():
    merchant = make_merchant()
    code, made = run("rotate_webhook_secret", "--merchant", merchant["merchant_no"])
    assert (code, set(made)) == (0, {"merchant_no", "webhook_secret"})
    assert list_webhook_secrets(merchant_no=merchant["merchant_no"]) == [
        made["webhook_secret"],
        merchant["webhook_secret"],
    ]


def test_a_third_webhook_secret_silences_none_unasked():
    merchant = make_merchant()
    _, made = run("rotate_webhook_secret", "--merchant", merchant["merchant_no"])
    before = list_webhook_secrets(merchant_no=merchant["merchant_no"])
    code, answer = run("rotate_webhook_secret", "--merchant", merchant["merchant_no"])
    assert (code, answer["error"]["code"]) == (1, "webhook_secret_still_signs")
    assert list_webhook_secrets(merchant_no=merchant["merchant_no"]) == before
    code, third = run(
        "rotate_webhook_secret", "--merchant", merchant["merchant_no"], "--drop-oldest"
    )
    assert (code, list_webhook_secrets(merchant_no=merchant["merchant_no"])) == (
        0,
        [third["webhook_secret"], made["webhook_secret"]],
    )


class TestReferences:
    """A wish with a number of the operator's own: made once, however often it is run."""

    def test_a_merchant_is_made_once_and_its_secrets_are_shown_once(self):
        wish = ("create_merchant", f"--reference={numbers.new_number('ref')}")
        _, made = run(*wish, "--name=Tea")
        told = {"merchant_no": made["merchant_no"], "key_id": made["key_id"], "repeated": True}
        assert run(*wish, "--name=Tea") == (0, told)
        code, answer = run(*wish, "--name=Coffee")
        assert (code, answer["error"]["code"]) == (1, "merchant_reference_used")
        assert Credential.objects.filter(merchant=made["merchant_no"]).count() == 1

    def test_a_key_is_made_once_for_a_merchant(self):
        merchant, other = make_merchant(), make_merchant()
        wish = ("rotate_credential", f"--reference={numbers.new_number('ref')}")
        bearer = ("--algorithm=bearer", "--merchant", merchant["merchant_no"])
        _, made = run(*wish, *bearer)
        code, again = run(*wish, *bearer)
        assert (code, again["key_id"], again["repeated"]) == (0, made["key_id"], True)
        assert "secret_key" not in again
        code, answer = run(*wish, *bearer[1:], "--algorithm=hmac-sha256")
        assert (code, answer["error"]["code"]) == (1, "key_reference_used")
        code, others = run(*wish, "--algorithm=bearer", "--merchant", other["merchant_no"])
        assert (code, others["key_id"] != made["key_id"]) == (0, True)
        assert Credential.objects.filter(merchant=merchant["merchant_no"]).count() == 2

    def test_wanted_six_times_at_once_it_is_made_once(self):
        reference = numbers.new_number("ref")
        made = run_together([lambda: create_merchant(name="Tea", reference=reference)] * 6)
        assert len({one.merchant_no for one in made}) == 1
        assert [one.repeated for one in made].count(False) == 1

    @pytest.mark.parametrize("wrong", [" ", "r" * 65])
    def test_a_reference_that_is_none_makes_nothing(self, wrong):
        name = numbers.new_number("tst")
        code, answer = run("create_merchant", f"--name={name}", f"--reference={wrong}")
        assert (code, answer["error"]["code"]) == (2, "invalid_request")
        assert not Merchant.objects.filter(name=name).exists()


def test_an_unknown_merchants_webhook_secret_is_not_rotated():
    code, answer = run("rotate_webhook_secret", "--merchant", "mch_x")
    assert (code, answer["error"]["code"]) == (1, "not_found")
    assert "mch_x" in answer["error"]["detail"]


def test_due_orders_expire_and_others_stay(clock):
    short, long = trades.placed(expires_in=60), trades.placed(expires_in=86_400)
    clock.advance(61)
    code, told = run("expire_orders", "--dry-run")
    assert (code, told["dry_run"], told["orders"] >= 1) == (0, True, True)
    assert TradeOrder.objects.get(pk=short.order).status == "INIT"
    code, done = run("expire_orders")
    assert (code, done["orders"]) == (0, told["orders"])
    assert run("expire_orders", "--dry-run")[1]["orders"] == 0
    assert done["orders"] >= 1
    assert TradeOrder.objects.get(pk=short.order).status == "CLOSED"
    assert TradeOrder.objects.get(pk=long.order).status == "INIT"
    assert run("expire_orders") == (0, {"orders": 0})


class TestQueryPayment:
    def test_the_channel_is_asked_and_its_answer_applied(self, monkeypatch):
        trade = trades.paying()
        channel = ScriptedChannel("sandbox")
        channel.query_answers = [charged(trades.AMOUNT, trade_no=numbers.new_number("trd"))]
        monkeypatch.setattr(inquiries, "get_channel", lambda _code: channel)
        paid = {"payment_no": trade.payment, "order_no": trade.order, "status": "PAID"}
        assert run("query_payment", trade.payment) == (0, paid | {"failure_code": None})
        assert TradeOrder.objects.get(pk=trade.order).status == "SUCCESS"
        assert run("query_payment", trade.payment) == (0, paid | {"failure_code": None})
        assert channel.calls == [("query", trade.attempt)]

    def test_an_orders_number_stands_for_its_live_or_latest_payment(self, monkeypatch):
        trade = trades.paying()
        channel = ScriptedChannel("sandbox")
        channel.query_answers = [charged(trades.AMOUNT, trade_no=numbers.new_number("trd"))]
        monkeypatch.setattr(inquiries, "get_channel", lambda _code: channel)
        for _live_then_ended in range(2):
            code, answer = run("query_payment", trade.order)
            assert (code, answer["payment_no"], answer["status"]) == (0, trade.payment, "PAID")
        assert channel.calls == [("query", trade.attempt)]

    @pytest.mark.parametrize(
        ("number", "code", "told"),
        [
            (numbers.new_number(numbers.PAYMENT), (1, "not_found"), "There is no payment"),
            (numbers.new_number(numbers.ORDER), (1, "not_found"), "no payment of an order"),
            ("pay_x", (2, "invalid_request"), "neither a payment's number (pay_…) nor an order's"),
            (numbers.new_number(numbers.EVENT), (2, "invalid_request"), "neither"),
        ],
        ids=["unknown payment", "order without one", "no number", "another kind"],
    )
    def test_what_it_cannot_query_it_names(self, number, code, told):
        left, answer = run("query_payment", number)
        assert (left, answer["error"]["code"]) == code
        assert told in answer["error"]["detail"]
        assert number in answer["error"]["detail"]

    def test_an_order_that_nobody_paid_has_no_payment(self):
        order_no = trades.placed(expires_in=60).order
        assert run("query_payment", order_no)[1]["error"]["code"] == "not_found"


class TestReplayCallback:
    """A callback that came while our side was broken, ten minutes ago, stored but without effect."""

    def stored(self, trade: trades.Trade, *, age_s: int = 600, sent_s: int = 600, **changes: Any):
        channel = get_channel("sandbox")
        now = database_now()
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
        headers = codec.sign_notification(
            key=key,
            account=channel.merchant_account,
            body=body,
            now=now.timestamp() - sent_s,
        )
        fields = {
            "channel_code": "sandbox",
            "headers": headers,
            "body": body,
            "received_at": now - timedelta(seconds=age_s),
        }
        return ChannelCallback.objects.create(**fields | changes)

    def test_it_has_its_effect_and_a_second_time_no_other(self):
        trade = trades.paying()
        callback = self.stored(trade)
        code, done = run("replay_callback", callback.pk)
        assert (code, done["result"], done["note"]) == (0, "APPLIED", "paid")
        assert done["attempt_no"] == trade.attempt
        assert TradeOrder.objects.get(pk=trade.order).status == "SUCCESS"
        before = EngineTransition.objects.filter(object_no=trade.payment).count()
        code, done = run("replay_callback", callback.pk)
        assert (code, done["note"]) == (0, "repeated")
        assert EngineTransition.objects.filter(object_no=trade.payment).count() == before

    @pytest.mark.parametrize(
        "wrong",
        [{"sent_s": 1_200}, {"body": b"{}"}, {"headers": {}}],
        ids=["stale when it came", "altered", "unsigned"],
    )
    def test_what_does_not_verify_has_no_effect(self, wrong):
        trade = trades.paying()
        callback = self.stored(trade, **wrong)
        code, answer = run("replay_callback", callback.pk)
        assert (code, answer["error"]["code"]) == (1, "unauthenticated")
        assert ChannelCallback.objects.get(pk=callback.pk).result == "REFUSED"
        assert TradeOrder.objects.get(pk=trade.order).status == "PAYING"

    def test_a_request_that_is_not_ours_has_no_effect(self):
        stranger = trades.Trade({}, "ord_x", attempt=numbers.new_number(numbers.ATTEMPT))
        callback = self.stored(stranger)
        code, answer = run("replay_callback", callback.pk)
        assert (code, answer["error"]["code"]) == (2, "invalid_request")
        assert ChannelCallback.objects.get(pk=callback.pk).result == "UNMATCHED"

    def test_no_such_callback_or_channel(self):
        assert run("replay_callback", 0)[0] == 1
        callback = self.stored(trades.paying(), channel_code="gone")
        assert run("replay_callback", callback.pk)[0] == 1


class TestTopUp:
    def propose(self, payer: str, maker: str, **changes: object) -> list[str]:
        options: dict[str, object] = {
            "amount": 500,
            "reference": numbers.new_number("ref"),
            "operator": maker,
            "reason": "bank transfer",
        }
        return [payer, *(f"--{name}={value}" for name, value in (options | changes).items())]

    def balance(self, payer: str) -> int:
        account = ledger.payer_balance(payer_no=payer, currency="CNY")
        return ledger.get_balance(account_code=account).balance

    def test_one_operator_proposes_and_another_approves(self):
        payer, maker, checker = make_payer(balance=0), operator(), operator()
        arguments = self.propose(payer, maker)
        code, dry = run("top_up_payer", *arguments, "--dry-run")
        assert (code, dry["dry_run"], dry["proposal_no"]) == (0, True, None)
        assert not Proposal.objects.filter(subject_no=payer).exists()
        code, made = run("top_up_payer", *arguments)
        assert (code, made["repeated"], made["status"]) == (0, False, "OPEN")
        assert (made["preview_hash"], made["postings"]) == (dry["preview_hash"], dry["postings"])
        assert made["postings"] == [
            {
                "debit": "A20:platform:CNY",
                "credit": f"L10:{payer}:CNY",
                "amount": 500,
                "currency": "CNY",
            }
        ]
        code, again = run("top_up_payer", *arguments)
        assert (code, again["repeated"], again["proposal_no"]) == (0, True, made["proposal_no"])
        assert self.balance(payer) == 0

        approval = [f"--approve={made['proposal_no']}", f"--operator={checker}"]
        code, dry = run("top_up_payer", *approval, "--dry-run")
        assert (code, dry["status"], dry["journal_no"], self.balance(payer)) == (0, "OPEN", None, 0)
        code, done = run("top_up_payer", *approval, f"--hash={made['preview_hash']}")
        assert (code, done["status"], done["checker"]) == (0, "APPROVED", checker)
        assert ledger.get_journal(journal_no=done["journal_no"]).event_id == made["reference"]
        code, again = run("top_up_payer", *approval)
        assert (code, again["repeated"], again["journal_no"]) == (0, True, done["journal_no"])
        assert self.balance(payer) == 500
        lines = AuditLog.objects.filter(object_no=made["proposal_no"]).order_by("id")
        assert [(line.operator, line.action) for line in lines] == [
            (maker, "make_proposal"),
            (checker, "approve_proposal"),
        ]
        move = Transition.objects.filter(object_no=made["proposal_no"]).latest("id")
        assert move.actor == f"operator:{checker}"

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"amount": 0}, (2, "invalid_request")),
            ({"currency": "XXX"}, (2, "invalid_request")),
            ({"reference": " "}, (2, "invalid_request")),
            ({"reason": " "}, (2, "invalid_request")),
            ({"hash": "0" * 64}, (2, "invalid_request")),
            ({"approve": "prp_x"}, (2, "invalid_request")),
            ({"operator": "nobody"}, (1, "forbidden")),
        ],
        ids=str,
    )
    def test_a_refused_wish_writes_nothing(self, change, expected):
        payer = make_payer(balance=0)
        code, answer = run("top_up_payer", *self.propose(payer, operator(), **change))
        assert (code, answer["error"]["code"]) == expected
        assert not Proposal.objects.filter(subject_no=payer).exists()

    def test_a_wish_without_its_parts_is_wrong_use(self):
        payer, maker = make_payer(balance=0), operator()
        complete = self.propose(payer, maker)
        for n in range(len(complete)):
            if "--operator" not in complete[n]:
                code, answer = run("top_up_payer", *complete[:n], *complete[n + 1 :])
                assert (code, answer["error"]["code"]) == (2, "invalid_request")
        code, answer = run("top_up_payer", *self.propose("pyr_x", maker))
        assert (code, answer["error"]["code"]) == (1, "not_found")
        assert not Proposal.objects.filter(subject_no__in=[payer, "pyr_x"]).exists()

    def test_a_refused_approval_moves_nothing(self):
        payer, maker = make_payer(balance=0), operator()
        _, made = run("top_up_payer", *self.propose(payer, maker))
        approval = f"--approve={made['proposal_no']}"
        for arguments, expected in (
            ([approval, f"--operator={maker}"], (1, "second_person_required")),
            ([approval, f"--operator={operator()}", "--hash=x"], (1, "proposal_changed")),
            ([approval, f"--operator={operator()}", "--amount=500"], (2, "invalid_request")),
            (["--approve=prp_x", f"--operator={operator()}"], (1, "not_found")),
        ):
            code, answer = run("top_up_payer", *arguments)
            assert (code, answer["error"]["code"]) == expected
        assert self.balance(payer) == 0
        assert Proposal.objects.get(pk=made["proposal_no"]).status == "OPEN"

    def test_a_reference_belongs_to_one_top_up(self):
        payer, maker = make_payer(balance=0), operator()
        reference = numbers.new_number("ref")
        assert run("top_up_payer", *self.propose(payer, maker, reference=reference))[0] == 0
        changed = self.propose(payer, maker, reference=reference, amount=501)
        code, answer = run("top_up_payer", *changed)
        assert (code, answer["error"]["code"]) == (1, "proposal_conflict")
        assert Proposal.objects.get(subject_no=payer).payload["amount"] == 500

    def test_people_see_amounts_in_major_units_and_what_comes_next(self):
        out = io.StringIO()
        call_command("top_up_payer", *self.propose(make_payer(), operator()), stdout=out)
        assert "5.00 CNY" in out.getvalue()
        assert "Another person must approve it." in out.getvalue()


class TestFunding:
    def propose(self, maker: str, **changes: object) -> list[str]:
        options: dict[str, object] = {
            "amount": 70_00,
            "currency": "USD",
            "reference": numbers.new_number("ref"),
            "operator": maker,
            "reason": "capital",
        }
        return [f"--{name}={value}" for name, value in (options | changes).items()]

    def books(self) -> tuple[int, int, int]:
        """Debits of the bank, credits of capital, proposals of this kind."""
        bank, capital = (
            ledger.get_balance(account_code=f"{kind}:platform:USD").balance
            for kind in ("A20", "E10")
        )
        return bank, capital, Proposal.objects.filter(kind="platform_funding").count()

    def test_one_operator_proposes_and_another_approves_what_was_shown_once(self):
        maker, checker = operator(), operator()
        bank, capital, made_before = self.books()
        arguments = self.propose(maker)
        code, dry = run("fund_platform", *arguments, "--dry-run")
        assert (code, dry["dry_run"], dry["proposal_no"]) == (0, True, None)
        assert self.books() == (bank, capital, made_before)
        code, made = run("fund_platform", *arguments)
        assert (code, made["status"], made["preview_hash"]) == (0, "OPEN", dry["preview_hash"])
        assert made["postings"] == [
            {
                "debit": "A20:platform:USD",
                "credit": "E10:platform:USD",
                "amount": 70_00,
                "currency": "USD",
            }
        ]
        assert run("fund_platform", *arguments)[1]["proposal_no"] == made["proposal_no"]
        approval = [f"--approve={made['proposal_no']}", f"--operator={checker}"]
        assert run("fund_platform", *approval, "--dry-run")[1]["journal_no"] is None
        assert self.books() == (bank, capital, made_before + 1)
        code, done = run("fund_platform", *approval)
        assert (code, done["status"]) == (0, "APPROVED")
        assert run("fund_platform", *approval)[1]["journal_no"] == done["journal_no"]
        assert run("fund_platform", *arguments)[1]["repeated"] is True
        assert self.books() == (bank + 70_00, capital + 70_00, made_before + 1)
        journal = ledger.get_journal(journal_no=done["journal_no"])
        assert (journal.event_type, journal.event_id) == ("platform_funding", made["reference"])

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"amount": 0}, (2, "invalid_request")),
            ({"amount": 10**12}, (2, "invalid_request")),
            ({"currency": "XXX"}, (2, "invalid_request")),
            ({"reference": " "}, (2, "invalid_request")),
            ({"reason": " "}, (2, "invalid_request")),
            ({"hash": "0" * 64}, (2, "invalid_request")),
            ({"approve": "prp_x"}, (2, "invalid_request")),
            ({"operator": "nobody"}, (1, "forbidden")),
        ],
        ids=str,
    )
    def test_a_refused_wish_writes_nothing(self, change, expected):
        before = self.books()
        code, answer = run("fund_platform", *self.propose(operator(), **change))
        assert ((code, answer["error"]["code"]), self.books()) == (expected, before)

    def test_a_refused_approval_moves_nothing(self):
        maker = operator()
        _, made = run("fund_platform", *self.propose(maker))
        approval, before = f"--approve={made['proposal_no']}", self.books()
        for arguments, expected in (
            ([approval, f"--operator={maker}"], (1, "second_person_required")),
            ([approval, f"--operator={operator(Role.OPERATOR)}"], (1, "forbidden")),
            ([approval, f"--operator={operator()}", "--hash=x"], (1, "proposal_changed")),
            ([approval, f"--operator={operator()}", "--amount=500"], (2, "invalid_request")),
        ):
            code, answer = run("fund_platform", *arguments)
            assert ((code, answer["error"]["code"]), self.books()) == (expected, before)
        code, answer = run("top_up_payer", approval, f"--operator={operator()}")
        assert ((code, answer["error"]["code"]), self.books()) == ((2, "invalid_request"), before)
        assert Proposal.objects.get(pk=made["proposal_no"]).status == "OPEN"

    def test_a_reference_is_good_once_even_when_the_books_have_it_without_a_proposal(self):
        reference = numbers.new_number("ref")
        draft = ledger.build_platform_funding(reference=reference, currency="USD", amount=1)
        transactions.start(ledger.post_journal)(draft=draft)
        maker, before = operator(), self.books()
        code, answer = run("fund_platform", *self.propose(maker, reference=reference))
        assert ((code, answer["error"]["code"]), self.books()) == ((1, "proposal_conflict"), before)
        _, made = run("fund_platform", *self.propose(maker))
        changed = self.propose(maker, reference=made["reference"], amount=1)
        assert run("fund_platform", *changed)[1]["error"]["code"] == "proposal_conflict"
        assert self.books() == (*before[:2], before[2] + 1)


def test_counts_and_amounts_stand_right_and_words_left():
    rows = [("a", 7, "-1,234.50 CNY", "12 of 3"), ("bb", 1234, "0.01 CNY", ""), ("c", "–", "", "x")]
    table = build_table("Name", "Lines", "Amount", "What", rows=rows)
    assert [column.justify for column in table.columns] == ["left", "right", "right", "left"]


def test_proposals_past_their_time_expire(clock):
    payer = make_payer(balance=0)
    made = proposed(payer=payer)
    clock.advance(7 * 86_400 + 1)
    code, done = run("expire_proposals")
    assert code == 0
    assert done["proposals"] >= 1
    assert Proposal.objects.get(pk=made.proposal_no).status == "EXPIRED"
    assert run("expire_proposals") == (0, {"proposals": 0})


def test_people_get_lines_and_refusals_on_stderr():
    merchant = make_merchant()
    out, err = io.StringIO(), io.StringIO()
    call_command(
        *("rotate_credential", "--merchant", merchant["merchant_no"], "--algorithm=bearer"),
        stdout=out,
    )
    assert merchant["merchant_no"] in out.getvalue()
    with pytest.raises(SystemExit) as end:
        call_command("query_payment", numbers.new_number(numbers.PAYMENT), stdout=out, stderr=err)
    assert end.value.code == 1
    assert "(not_found)" in err.getvalue()


def test_wrong_use_ends_with_2():
    done = subprocess.run(
        [sys.executable, "manage.py", "top_up_payer", "pyr_x", "--amount", "1.5", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'1.5'" in json.loads(done.stdout)["error"]["detail"]
