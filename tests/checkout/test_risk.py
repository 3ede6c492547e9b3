"""Risk at acceptance: what is judged, what is refused, what is kept, and that a refusal moves nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from acquiring.contracts import Method, PayerTokenInvalid
from acquiring.services.callers import authenticate_bearer
from checkout.contracts import (
    PayerConfirmationRequired,
    ReviewEnded,
    RiskPending,
    RiskRejected,
)
from checkout.models import RiskListEntry, RiskRule
from checkout.services import velocity
from checkout.services.acceptance import pay_from_cashier
from checkout.services.risk_reviews import approve_review, reject_review, sweep_reviews
from checkout.services.risk_rules import change_rule, create_rule, list_subject, unlist_subject
from engine.channels.base import Capability, ChannelAnswer, Outcome
from engine.channels.registry import forget_channels
from paymentplatform.kernel.errors import DomainError, InvalidRequest, NotFound
from tests.barrier import run_times
from tests.clock import VirtualClock
from tests.engine.scripted import FIRST_CHANNEL, SECOND_CHANNEL, ScriptedChannel
from tests.makers import PASSWORD, make_merchant, make_payer, make_payer_token, top_up
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_identity, make_trade, rows

PENDING = ChannelAnswer(outcome=Outcome.PENDING)
METHODS = {
    Capability.QR_CODE,
    Capability.BANK_CARD,
    Capability.CLOSE,
    Capability.REFUND,
    Capability.CHALLENGE,
}


@pytest.fixture
def channel(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedChannel]:
    """Two channels that take cards, of which only the first can be told to ask for 3-D Secure."""
    settings.CHANNELS = ["tests.engine.scripted.FIRST", "tests.engine.scripted.SECOND"]
    monkeypatch.setattr(FIRST_CHANNEL, "capabilities", frozenset(METHODS))
    monkeypatch.setattr(SECOND_CHANNEL, "capabilities", frozenset(METHODS - {Capability.CHALLENGE}))
    for one in (FIRST_CHANNEL, SECOND_CHANNEL):
        one.forget()
        one.pay_answers += [PENDING] * 9
    forget_channels()
    yield FIRST_CHANNEL
    forget_channels()


@pytest.fixture
def trade() -> Trade:
    """An order of 10.00 CNY of a merchant of its own, so that rules for it concern nobody else."""
    return make_trade()


def rule(trade: Trade, action: str, mode: str = "ENFORCED", **when: Any) -> str:
    """Write a rule for this trade's merchant alone."""
    conditions = {"merchants": [trade.merchant.merchant_no]} | when
    return create_rule(
        name=f"{action} in a test", action=action, mode=mode, conditions=json.dumps(conditions)
    )


def token_for(trade: Trade) -> dict[str, str]:
    """The option that pays from a fresh payer's balance."""
    token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
    return {"payer_token": token}


def decisions(trade: Trade) -> list[dict[str, Any]]:
    """Every decision about the order, oldest first."""
    found = rows(
        "SELECT * FROM checkout_risk_decision WHERE order_no = %s ORDER BY id", trade.order_no
    )
    return [row | {name: json.loads(row[name]) for name in ("facts", "fired")} for row in found]


def refused(
    trade: Trade, error: type[DomainError], method: Method, **options: str
) -> dict[str, Any]:
    """Try to pay; return the decision that refused it, having seen that nothing else changed."""
    before = trade.footprint()
    with pytest.raises(error) as caught:
        trade.pay(method, **options)
    assert trade.footprint() == before
    assert "rul_" not in str(caught.value)
    assert "test" not in str(caught.value)
    kept = decisions(trade)[-1]
    assert kept["payment_no"] is None
    return kept


class TestOutcomes:
    def test_a_payment_keeps_its_decision(self, trade: Trade):
        shadow = rule(trade, "BLOCK", mode="SHADOW", methods=["BALANCE"])
        rule(trade, "BLOCK", mode="OFF", methods=["BALANCE"])
        paid = trade.pay(Method.BALANCE, **token_for(trade))
        (kept,) = decisions(trade)
        assert paid.status == "PAID"
        assert (kept["payment_no"], kept["outcome"], kept["reason"]) == (
            paid.payment_no,
            "ALLOW",
            "",
        )
        assert kept["fired"] == [[shadow, 1, "SHADOW", True]]
        assert kept["facts"]["payer"].startswith("pyr_")
        assert (kept["facts"]["amount"], kept["facts"]["source"]) == (1000, "api")
        assert "payer_token" not in json.dumps(kept["facts"])

    def test_a_payment_through_a_channel_keeps_its_decision_too(
        self, trade: Trade, channel: ScriptedChannel
    ):
        paid = trade.pay(Method.QR_CODE)
        again = trade.pay(Method.QR_CODE)
        assert again.payment_no == paid.payment_no
        (kept,) = decisions(trade)
        assert (kept["payment_no"], kept["outcome"]) == (paid.payment_no, "ALLOW")

    @pytest.mark.parametrize(
        ("action", "error", "outcome"),
        [
            ("BLOCK", RiskRejected, "BLOCK"),
            ("REVIEW", RiskPending, "REVIEW"),
            ("STEP_UP", PayerConfirmationRequired, "CONFIRM"),
        ],
    )
    def test_a_refusal_moves_nothing_and_is_kept(
        self, trade: Trade, action: str, error: type[DomainError], outcome: str
    ):
        number = rule(trade, action, methods=["BALANCE"])
        kept = refused(trade, error, Method.BALANCE, **token_for(trade))
        assert (kept["outcome"], kept["reason"]) == (outcome, number)
        assert kept["fired"] == [[number, 1, "ENFORCED", True]]

    @pytest.mark.parametrize("wish", [{"use_balance": True}, {"balance_amount": 10_00}])
    @pytest.mark.parametrize(
        ("action", "error"), [("BLOCK", RiskRejected), ("STEP_UP", PayerConfirmationRequired)]
    )
    def test_a_balance_that_is_taken_under_another_methods_name_goes_by_its_rules(
        self,
        trade: Trade,
        channel: ScriptedChannel,
        wish: dict[str, Any],
        action: str,
        error: type[DomainError],
    ):
        rule(trade, action, methods=["BALANCE"])
        with pytest.raises(error):
            trade.pay_combined(Method.QR_CODE, **token_for(trade), **wish)
        assert (trade.payments(), channel.calls) == ([], [])

    @pytest.mark.parametrize("methods", [["BALANCE"], ["QR_CODE"]])
    def test_to_be_allowed_a_combined_wish_needs_all_of_its_methods_named(
        self, trade: Trade, channel: ScriptedChannel, methods: list[str]
    ):
        rule(trade, "BLOCK")
        rule(trade, "ALLOW", methods=methods)
        with pytest.raises(RiskRejected):
            trade.pay_combined(Method.QR_CODE, **token_for(trade), balance_amount=1_00)
        rule(trade, "ALLOW", methods=["BALANCE", "QR_CODE"])
        paid = trade.pay_combined(Method.QR_CODE, **token_for(trade), balance_amount=1_00)
        assert paid.status == "PAYING"

    def test_a_refused_wish_leaves_the_live_payment(self, trade: Trade, channel: ScriptedChannel):
        rule(trade, "BLOCK", methods=["BALANCE"])
        paid = trade.pay(Method.QR_CODE)
        refused(trade, RiskRejected, Method.BALANCE, **token_for(trade))
        assert [name for name, _ in channel.calls] == ["pay"]
        assert trade.order()["payment_no"] == paid.payment_no

    def test_the_list_comes_before_an_allow_rule(self, trade: Trade):
        rule(trade, "ALLOW", methods=["BALANCE"])
        entry = list_subject(
            list_name="hard_block", subject="MERCHANT", value=trade.merchant.merchant_no
        )
        options = token_for(trade)
        kept = refused(trade, RiskRejected, Method.BALANCE, **options)
        assert kept["reason"] == f"hard_block:MERCHANT:{trade.merchant.merchant_no}"
        unlist_subject(entry_no=entry)
        assert trade.pay(Method.BALANCE, **options).status == "PAID"

    def test_a_bad_token_is_said_before_anything_is_judged(self, trade: Trade):
        rule(trade, "BLOCK", methods=["BALANCE"])
        with pytest.raises(PayerTokenInvalid):
            trade.pay(Method.BALANCE, payer_token="pt_nobody")
        assert decisions(trade) == []

    def test_nothing_but_counting_costs_a_round_trip(self, trade: Trade):
        options = token_for(trade)
        make_trade(merchant=trade.merchant).pay(Method.BALANCE, **options)
        rule(
            trade, "REVIEW", mode="SHADOW", velocity={"subject": "PAYER", "over": 9, "window_s": 60}
        )
        make_trade(merchant=trade.merchant).pay(Method.BALANCE, **options)
        with counting_round_trips() as seen:
            assert trade.pay(Method.BALANCE, **options).status == "PAID"
        assert (len(seen), seen.on_the_wire) == (2, 2), seen


class TestStepUp:
    def test_the_payment_password_is_proof_enough(self, trade: Trade):
        number = rule(trade, "STEP_UP", methods=["BALANCE"])
        payer_no = make_payer()
        (page,) = rows(
            "SELECT substr(order_no, 5) || cashier_secret AS token FROM acquiring_trade_order"
            " WHERE order_no = %s",
            trade.order_no,
        )
        paid = pay_from_cashier(
            token=page["token"],
            method="BALANCE",
            options={},
            payer_no=payer_no,
            payment_password=PASSWORD,
            terminal="WEB",
            payer_ip="::ffff:192.0.2.7",
        )
        assert paid.status == "PAID"
        (kept,) = decisions(trade)
        assert (kept["outcome"], kept["fired"]) == ("ALLOW", [[number, 1, "ENFORCED", True]])
        assert (kept["facts"]["ip"], kept["facts"]["proof"]) == ("192.0.2.7", "PASSWORD")

    def test_of_a_card_the_channel_is_told_to_ask(self, trade: Trade, channel: ScriptedChannel):
        rule(trade, "STEP_UP")
        trade.pay(Method.BANK_CARD, card_token="tok_success")
        (payment,) = trade.payments()
        options = json.loads(payment["context"])["options"]
        assert (options["challenge"], json.loads(payment["candidates"])) == ("required", [])
        assert channel.calls
        assert not SECOND_CHANNEL.calls
        (kept,) = decisions(trade)
        assert (kept["outcome"], kept["facts"]["proof"]) == ("CHALLENGE", "CHALLENGE")
        assert len(kept["facts"]["card"]) == 32

    def test_a_channel_that_cannot_ask_gets_no_card(
        self, trade: Trade, channel: ScriptedChannel, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(FIRST_CHANNEL, "capabilities", SECOND_CHANNEL.capabilities)
        rule(trade, "STEP_UP")
        refused(trade, PayerConfirmationRequired, Method.BANK_CARD)
        assert trade.pay(Method.QR_CODE).status == "PAYING"  # confirmed at the institution

    def test_a_demand_for_proof_never_overrides_a_block(
        self, trade: Trade, channel: ScriptedChannel
    ):
        rule(trade, "STEP_UP")
        rule(trade, "BLOCK", methods=["BANK_CARD"])
        refused(trade, RiskRejected, Method.BANK_CARD)
        assert channel.calls == []


class TestReview:
    def review(self, trade: Trade) -> dict[str, Any]:
        (found,) = rows("SELECT * FROM checkout_risk_review WHERE order_no = %s", trade.order_no)
        return found

    def test_an_approved_wish_may_be_repeated(self, trade: Trade, clock: VirtualClock):
        number = rule(trade, "REVIEW", methods=["BALANCE"])
        options = token_for(trade)
        refused(trade, RiskPending, Method.BALANCE, **options)
        refused(trade, RiskPending, Method.BALANCE, **options)
        waiting = self.review(trade)
        assert (waiting["status"], waiting["amount"], waiting["rule_no"]) == (
            "PENDING",
            1000,
            number,
        )
        approve_review(review_no=waiting["review_no"])
        other = token_for(trade)
        refused(trade, RiskPending, Method.BALANCE, **other)  # approved was another payer's wish
        assert trade.pay(Method.BALANCE, **options).status == "PAID"
        assert decisions(trade)[-1]["facts"]["is_approved"] is True
        with pytest.raises(ReviewEnded):
            reject_review(review_no=waiting["review_no"])

    def test_an_approval_is_of_one_order_and_lasts_until_it_is_paid(self, trade: Trade):
        rule(trade, "REVIEW", methods=["BALANCE"])
        payer_no = make_payer(balance=0)
        token = make_payer_token(payer_no=payer_no, merchant_no=trade.merchant.merchant_no)
        twin = make_trade(merchant=trade.merchant)
        for asked in (trade, twin):
            refused(asked, RiskPending, Method.BALANCE, payer_token=token)
        approve_review(review_no=self.review(trade)["review_no"])
        assert trade.pay(Method.BALANCE, payer_token=token).status == "FAILED"  # no money yet
        top_up(payer_no=payer_no, amount=50_00)
        refused(twin, RiskPending, Method.BALANCE, payer_token=token)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
        assert self.review(twin)["status"] == "PENDING"

    def test_an_approval_opens_no_other_door(self, trade: Trade):
        rule(trade, "REVIEW", methods=["BALANCE"])
        options = token_for(trade)
        refused(trade, RiskPending, Method.BALANCE, **options)
        approve_review(review_no=self.review(trade)["review_no"])
        rule(trade, "BLOCK", methods=["BALANCE"])
        refused(trade, RiskRejected, Method.BALANCE, **options)

    def test_a_rejected_wish_stays_refused(self, trade: Trade):
        rule(trade, "REVIEW", methods=["BALANCE"])
        options = token_for(trade)
        refused(trade, RiskPending, Method.BALANCE, **options)
        number = self.review(trade)["review_no"]
        reject_review(review_no=number)
        assert refused(trade, RiskRejected, Method.BALANCE, **options)["reason"] == number

    def test_it_ends_with_the_order(self, trade: Trade, clock: VirtualClock):
        rule(trade, "REVIEW", methods=["BALANCE"])
        refused(trade, RiskPending, Method.BALANCE, **token_for(trade))
        number = self.review(trade)["review_no"]
        clock.advance(901)
        with pytest.raises(ReviewEnded):
            approve_review(review_no=number)
        while sweep_reviews():
            pass
        assert self.review(trade)["status"] == "EXPIRED"
        with pytest.raises(NotFound):
            approve_review(review_no="rvw_0")

    def test_two_at_once_wait_for_one_decision(self, trade: Trade):
        rule(trade, "REVIEW", methods=["BALANCE"])
        options = token_for(trade)

        outcomes = run_times(4, lambda: trade.pay(Method.BALANCE, **options))
        assert {type(outcome) for outcome in outcomes} == {RiskPending}
        assert self.review(trade)["status"] == "PENDING"
        assert len(decisions(trade)) == 4


class TestVelocity:
    def pay_three(self, trade: Trade) -> list[str]:
        """Three orders of one payer at one merchant; PAID or the code of the refusal."""
        options, ends = token_for(trade), []
        for _ in range(3):
            try:
                ends.append(
                    make_trade(merchant=trade.merchant).pay(Method.BALANCE, **options).status
                )
            except DomainError as error:
                ends.append(error.code)
        return ends

    def test_one_try_too_many_is_refused(self, trade: Trade):
        rule(trade, "BLOCK", velocity={"subject": "PAYER", "over": 2, "window_s": 3600})
        assert self.pay_three(trade) == ["PAID", "PAID", "risk_rejected"]

    def test_amounts_are_added_up(self, trade: Trade):
        limit = {"subject": "MERCHANT", "measure": "AMOUNT", "over": 2500, "window_s": 86400}
        rule(trade, "BLOCK", velocity=limit, currencies=["CNY"])
        assert self.pay_three(trade) == ["PAID", "PAID", "risk_rejected"]
        (kept,) = rows(
            "SELECT facts FROM checkout_risk_decision WHERE outcome = 'BLOCK' AND facts->>'merchant' = %s",
            trade.merchant.merchant_no,
        )
        # Rules for everybody that other tests have left count, too.
        assert 3000 in json.loads(kept["facts"])["counts"].values()

    @pytest.mark.parametrize("redis_is", ["refusing", "silent"])
    def test_without_redis_small_amounts_pass_and_large_ones_wait(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, redis_is: str
    ):
        settings.RISK_ALLOW_UNCOUNTED_UP_TO = {"CNY": 1000}
        merchant = make_identity()
        small, large = make_trade(merchant=merchant), make_trade(merchant=merchant, amount=1001)
        limit = {"subject": "MERCHANT", "over": 100, "window_s": 3600}
        rule(small, "BLOCK", velocity=limit)
        options = token_for(small)
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            if redis_is == "silent":
                nobody.listen(8)
            settings.REDIS_URL = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
            monkeypatch.setattr(velocity, "_local", threading.local())
            monkeypatch.setattr(velocity, "_resting_until", [0.0])
            assert small.pay(Method.BALANCE, **options).status == "PAID"
            kept = refused(large, RiskPending, Method.BALANCE, **options)
        assert kept["outcome"] == "UNCOUNTED"
        assert kept["fired"][0][3] is False
        assert "counts" not in kept["facts"]
        assert rows("SELECT 1 FROM checkout_risk_review WHERE order_no = %s", large.order_no) == []
        monkeypatch.setattr(velocity, "_local", threading.local())
        monkeypatch.setattr(velocity, "_resting_until", [0.0])
        settings.REDIS_URL = os.environ["REDIS_URL"]
        assert large.pay(Method.BALANCE, **options).status == "PAID"


class TestRulesAsData:
    @pytest.mark.parametrize(
        ("conditions", "named"),
        [
            ('{"colour": ["red"]}', "colour"),
            ('{"amount_from": 5}', "currencies"),
            ('{"amount_from": 5, "amount_to": 4, "currencies": ["CNY"]}', "amount_from"),
            ('{"hours": {"from": "25:00", "to": "01:00"}}', "hours"),
            ('{"velocity": {"subject": "PAYER", "over": 0, "window_s": 60}}', "velocity.over"),
            ('{"velocity": {"subject": "PAYER", "over": 1, "window_s": 1}}', "velocity.window_s"),
            ('{"in_list": "hard_block"}', "in_list"),
            ('{"methods": ["QR_CODE"], "methods": []}', "methods"),
            ("[]", "object"),
            ("{}", "always holds"),
            ("nonsense", "JSON"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_refused(self, conditions: str, named: str):
        before = RiskRule.objects.count()
        with pytest.raises(InvalidRequest, match=named):
            create_rule(name="odd", action="BLOCK", mode="ENFORCED", conditions=conditions)
        assert RiskRule.objects.count() == before

    @pytest.mark.parametrize(
        ("subject", "value"),
        [("IP", "192.0.2.1/24"), ("IP", "here"), ("PAYER", "mch_1"), ("CARD", ""), ("SHOE", "x")],
    )
    def test_an_entry_that_can_be_nobody_is_refused(self, subject: str, value: str):
        before = RiskListEntry.objects.count()
        with pytest.raises(InvalidRequest):
            list_subject(list_name="hard_block", subject=subject, value=value)
        assert RiskListEntry.objects.count() == before

    def test_a_change_counts_from_the_next_payment_on(self, trade: Trade):
        number = rule(trade, "BLOCK", methods=["BALANCE"])
        options = token_for(trade)
        refused(trade, RiskRejected, Method.BALANCE, **options)
        change_rule(
            rule_no=number,
            name="now",
            action="BLOCK",
            mode="OFF",
            conditions='{"methods": ["QR_CODE"]}',
        )
        assert trade.pay(Method.BALANCE, **options).status == "PAID"
        assert decisions(trade)[-1]["fired"] == []
        assert RiskRule.objects.get(pk=number).revision == 2

    def test_listing_twice_is_once(self, trade: Trade):
        entry = {"list_name": "known", "subject": "MERCHANT", "value": trade.merchant.merchant_no}
        assert list_subject(**entry) == list_subject(**entry)
        standing = RiskListEntry.objects.filter(value=trade.merchant.merchant_no)
        assert standing.filter(removed_at__isnull=True).count() == 1


class TestOutward:
    @pytest.mark.parametrize(
        ("action", "status", "code", "todo"),
        [
            ("BLOCK", 403, "risk_rejected", "CONTACT"),
            ("REVIEW", 409, "risk_pending", "RETRY_LATER"),
            ("STEP_UP", 403, "payer_confirmation_required", "FIX_REQUEST"),
        ],
    )
    def test_the_api_tells_the_code_and_nothing_of_the_rule(
        self, action: str, status: int, code: str, todo: str
    ):
        made = make_merchant()
        trade = make_trade(merchant=authenticate_bearer(secret=made["secret_key"]))
        rule(trade, action, methods=["BALANCE"])
        client = Client(headers={"Authorization": f"Bearer {made['secret_key']}"})
        body = json.dumps({"method": "BALANCE", "options": token_for(trade)})
        before = trade.footprint()
        answer = client.post(
            f"/api/v1/orders/{trade.order_no}/pay", body, content_type="application/json"
        )
        told = answer.json()
        assert (answer.status_code, told["code"], told["action"]) == (status, code, todo)
        assert told["detail"] == told["title"]
        assert not {"rule", "rul_", "test"} & set(re.findall(r"[a-z]+_?", answer.content.decode()))
        assert trade.footprint() == before

    @pytest.mark.parametrize(
        ("action", "language", "words"),
        [
            ("BLOCK", "en", "could not be accepted"),
            ("REVIEW", "en", "has to be looked at first"),
            ("BLOCK", "zh-CN", "未能受理"),
            ("REVIEW", "zh-CN", "需要先核查"),
        ],
    )
    def test_the_page_says_that_nothing_was_charged(
        self, trade: Trade, channel: ScriptedChannel, action: str, language: str, words: str
    ):
        rule(trade, action, sources=["cashier"])
        (page,) = rows(
            "SELECT substr(order_no, 5) || cashier_secret AS token FROM acquiring_trade_order"
            " WHERE order_no = %s",
            trade.order_no,
        )
        client = Client(headers={"Accept-Language": language})
        before = trade.footprint()
        answer = client.post(f"/cashier/{page['token']}/pay", {"method": "QR_CODE"})
        assert answer.status_code == 303
        shown = client.get(answer["Location"]).content.decode()
        assert words in shown
        assert ("Nothing was charged" in shown) is (language == "en")
        assert trade.footprint() == before
        assert channel.calls == []
        assert decisions(trade)[-1]["facts"]["ip"] == "127.0.0.1"
