"""Combined payments: the balance's part is held first, and captured or given back with the payment's end."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.contracts import CloseReason, OrderFailed
from acquiring.services import payments as acquiring_payments
from acquiring.services.closing import CloseResult, close_order, expire_due_orders
from engine.channels.base import ChannelAnswer, Outcome, PayerActionData
from engine.contracts import Cause, ExchangePlan, InternalAsset, NewPayment
from engine.exchange import ImpossibleExchange, plan_exchange
from engine.services.acceptance import create_payment
from engine.services.inquiries import query_attempt, query_due_attempts
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel import numbers
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.environment import LONG
from tests.makers import make_payer, make_payer_token
from tests.trading import (
    Trade,
    balance_of,
    held_of,
    make_identity,
    make_trade,
    open_holds_of,
    rows,
)

Channels = tuple[ScriptedChannel, ScriptedChannel]

AMOUNT = 100_00
PART = 30_00
REST = 70_00
PURSE = 50_00

PENDING = ChannelAnswer(
    outcome=Outcome.PENDING, action=PayerActionData(type="qr_code", qr_content="qr://x")
)
UNKNOWN = ChannelAnswer(outcome=Outcome.UNKNOWN)
DECLINED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="declined")
RETRIABLE = ChannelAnswer(outcome=Outcome.FAILED, failure_code="issuer_down", retriable=True)
NOT_SENT = ChannelAnswer(outcome=Outcome.NOT_SENT)
NOT_FOUND = ChannelAnswer(outcome=Outcome.NOT_FOUND)
CLOSED = ChannelAnswer(outcome=Outcome.CLOSED)


def new_trade_no() -> str:
    return f"ch-{secrets.token_hex(6)}"


def collected(amount: int = REST) -> ChannelAnswer:
    return charged(amount, trade_no=new_trade_no())


@dataclass
class Combined:
    """A trade over 100.00 of which a payer with 50.00 gives 30.00 from the balance."""

    trade: Trade
    payer_no: str
    token: str

    def pay(self) -> str:
        return self.trade.pay_combined(payer_token=self.token, balance_amount=PART).status

    def answer(self, answer: ChannelAnswer, cause: Cause = Cause.INQUIRY) -> str:
        attempt = self.trade.attempts()[-1]
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=answer, cause=cause
        )
        return applied.effect

    def story(self) -> tuple[object, ...]:
        """The ends of order, payments, details and holds."""
        return (
            self.trade.order()["status"],
            [row["status"] for row in self.trade.payments()],
            [row["status"] for row in self.trade.details()],
            [row["status"] for row in self.trade.holds()],
        )

    def check_purse(self, *, balance: int, held: int) -> None:
        assert held_of(self.payer_no) == (balance, held)
        assert open_holds_of(self.payer_no) == held


def combined(**merchant: object) -> Combined:
    identity = make_identity(**merchant)
    payer_no = make_payer(balance=PURSE)
    token = make_payer_token(payer_no=payer_no, merchant_no=identity.merchant_no)
    return Combined(make_trade(amount=AMOUNT, merchant=identity), payer_no, token)


def waiting(channels: Channels, answer: ChannelAnswer = PENDING, **merchant: object) -> Combined:
    """PAYING: held, and the channel has been asked for the rest."""
    channels[0].pay_answers.append(answer)
    made = combined(**merchant)
    assert made.pay() == "PAYING"
    return made


def postings_of(trade: Trade) -> list[tuple[str, str, int]]:
    """The journal of the order's payment: (debit kind, credit kind, amount)."""
    found = rows(
        "SELECT split_part(d.code, ':', 1) AS debit, split_part(c.code, ':', 1) AS credit, l.amount"
        " FROM ledger_journal j JOIN ledger_posting l USING (journal_no)"
        " JOIN ledger_account d ON d.id = l.debit_account_id JOIN ledger_account c ON c.id = l.credit_account_id"
        " WHERE j.event_type = 'payment_paid'"
        " AND j.event_id IN (SELECT payment_no FROM engine_payment_order WHERE order_no = %s) ORDER BY l.line_no",
        trade.order_no,
    )
    return [(row["debit"], row["credit"], row["amount"]) for row in found]


class TestAcceptance:
    def test_holds_the_balances_part_before_the_channel_is_asked(self, channels: Channels):
        made = waiting(channels)

        made.check_purse(balance=PURSE, held=PART)
        assert made.story() == ("PAYING", ["PAYING"], ["HELD", "INIT"], ["OPEN"])
        balance, external = made.trade.details()
        assert (balance["method"], balance["amount"], balance["channel_code"]) == (
            "BALANCE",
            PART,
            None,
        )
        assert (external["method"], external["amount"]) == ("QR_CODE", REST)
        (attempt,) = made.trade.attempts()
        assert (attempt["amount"], attempt["detail_id"]) == (REST, external["detail_no"])
        (payment,) = made.trade.payments()
        assert (payment["payer_no"], payment["amount"]) == (made.payer_no, AMOUNT)
        assert json.loads(payment["context"])["terminal"] == "WEB"
        assert made.trade.merchant_balance() == 0

    def test_with_too_little_money_fails_the_try_and_asks_no_channel(self, channels: Channels):
        made = combined(max_tries=2)
        result = made.trade.pay_combined(payer_token=made.token, balance_amount=PURSE + 1)

        assert (result.status, result.failure_code) == ("FAILED", "insufficient_balance")
        assert made.story() == ("INIT", ["FAILED"], ["FAILED", "FAILED"], [])
        assert made.trade.attempts() == []
        assert channels[0].calls == []
        made.check_purse(balance=PURSE, held=0)
        assert made.trade.order()["failed_tries"] == 1

        made.trade.pay_combined(payer_token=made.token, balance_amount=PURSE + 1)
        assert made.trade.order()["status"] == "FAILED"
        assert made.trade.event_types() == ["order.failed"]

    def test_refuses_a_plan_that_is_not_its_own(self):
        made = combined()
        before = made.trade.footprint()
        plan = plan_exchange(
            amount=AMOUNT - 1,
            assets=(InternalAsset(made.payer_no, PART),),
            external_method="QR_CODE",
        )
        for wrong in (plan, ExchangePlan(AMOUNT, plan_all(made.payer_no).internal, None)):
            with pytest.raises(ImpossibleExchange), transaction.atomic():
                create_payment(new_payment(made.trade, wrong), cause=Cause.API)
        assert made.trade.footprint() == before

    def test_that_died_before_it_was_sent_is_sent_by_the_janitor(
        self, channels: Channels, clock: VirtualClock
    ):
        made = combined()
        plan = plan_exchange(
            amount=AMOUNT,
            assets=(InternalAsset(made.payer_no, PART),),
            external_method="QR_CODE",
        )
        acquiring_payments.start_payment(new=new_payment(made.trade, plan), cause="api")
        made.check_purse(balance=PURSE, held=PART)
        channels[0].only_order_no = made.trade.order_no
        channels[0].pay_answers.append(collected())
        clock.advance(60)

        query_due_attempts(batch_size=10_000)

        assert made.story() == ("SUCCESS", ["PAID"], ["DONE", "DONE"], ["CAPTURED"])
        assert channels[0].calls == [("pay", made.trade.attempts()[0]["attempt_no"])]
        made.check_purse(balance=PURSE - PART, held=0)


def plan_all(payer_no: str) -> ExchangePlan:
    return plan_exchange(
        amount=AMOUNT, assets=(InternalAsset(payer_no, AMOUNT),), external_method=None
    )


def new_payment(trade: Trade, plan: ExchangePlan) -> NewPayment:
    return NewPayment(
        payment_no=numbers.new_number(numbers.PAYMENT),
        order_no=trade.order_no,
        merchant_no=trade.merchant.merchant_no,
        method="QR_CODE",
        amount=AMOUNT,
        currency="CNY",
        fee_amount=0,
        options_digest="x",
        candidates=("scripted", "scripted2"),
        subject="Tea",
        expires_at=trade.order()["expires_at"],
        return_url="",
        plan=plan,
    )


class TestEnds:
    def test_success_captures_and_posts_in_one_journal(self, channels: Channels):
        made = waiting(channels, fee_rate_ppm=6_000)

        assert made.answer(collected(), Cause.CALLBACK) == "paid"
        assert made.answer(collected(), Cause.INQUIRY) in {"repeated", "late_money"}

        assert made.story() == ("SUCCESS", ["PAID"], ["DONE", "DONE"], ["CAPTURED"])
        assert sorted(postings_of(made.trade)) == [
            ("A10", "L20", REST),
            ("L10", "L20", PART),
            ("L20", "I10", 60),
        ]
        made.check_purse(balance=PURSE - PART, held=0)
        assert made.trade.merchant_balance() == AMOUNT - 60
        assert made.trade.event_types() == ["order.success"]

    def test_decline_gives_the_balance_back_and_opens_the_order(self, channels: Channels):
        made = waiting(channels, max_tries=2)

        assert made.answer(DECLINED) == "failed"

        assert made.story() == ("INIT", ["FAILED"], ["RELEASED", "FAILED"], ["RELEASED"])
        made.check_purse(balance=PURSE, held=0)
        assert made.trade.merchant_balance() == 0
        assert made.trade.order()["failed_tries"] == 1

        channels[0].pay_answers.append(DECLINED)
        assert made.pay() == "FAILED"
        assert made.trade.order()["status"] == "FAILED"
        assert made.trade.event_types() == ["order.failed"]
        made.check_purse(balance=PURSE, held=0)
        with pytest.raises(OrderFailed):
            made.pay()
        made.check_purse(balance=PURSE, held=0)

    def test_unknown_keeps_the_hold_until_the_inquiry_knows(self, channels: Channels):
        made = waiting(channels, UNKNOWN)
        made.check_purse(balance=PURSE, held=PART)
        channels[0].query_answers += [UNKNOWN, collected()]
        (attempt,) = made.trade.attempts()

        query_attempt(attempt_no=attempt["attempt_no"])
        made.check_purse(balance=PURSE, held=PART)
        query_attempt(attempt_no=attempt["attempt_no"])

        assert made.story() == ("SUCCESS", ["PAID"], ["DONE", "DONE"], ["CAPTURED"])
        made.check_purse(balance=PURSE - PART, held=0)

    @pytest.mark.parametrize("first", [RETRIABLE, NOT_SENT], ids=["retriable", "not_sent"])
    def test_failover_keeps_the_one_hold(self, channels: Channels, first: ChannelAnswer):
        channels[0].pay_answers.append(first)
        channels[1].pay_answers.append(PENDING)
        made = combined()

        assert made.pay() == "PAYING"

        made.check_purse(balance=PURSE, held=PART)
        assert [row["status"] for row in made.trade.holds()] == ["OPEN"]
        assert [row["amount"] for row in made.trade.attempts()] == [REST, REST]
        assert made.answer(collected()) == "paid"
        assert made.story() == ("SUCCESS", ["PAID"], ["DONE", "DONE"], ["CAPTURED"])
        assert ("A10", "L20", REST) in postings_of(made.trade)

    def test_close_gives_the_balance_back(self, channels: Channels):
        made = waiting(channels)
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)

        ended = close_order(
            order_no=made.trade.order_no,
            merchant_no=made.trade.merchant.merchant_no,
            reason=CloseReason.MERCHANT,
            cause="api",
        )

        assert ended is CloseResult.CLOSED
        assert made.story() == ("CLOSED", ["FAILED"], ["RELEASED", "FAILED"], ["RELEASED"])
        made.check_purse(balance=PURSE, held=0)
        assert made.trade.event_types() == ["order.closed"]

    def test_close_without_a_certain_answer_keeps_the_hold(self, channels: Channels):
        made = waiting(channels)
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(UNKNOWN)

        ended = close_order(
            order_no=made.trade.order_no, merchant_no=None, reason=CloseReason.OPERATOR, cause="api"
        )

        assert ended is CloseResult.CLOSING
        assert made.story() == ("PAYING", ["PAYING"], ["HELD", "INIT"], ["OPEN"])
        made.check_purse(balance=PURSE, held=PART)

    def test_expiry_gives_the_balance_back(self, channels: Channels, clock: VirtualClock):
        made = waiting(channels)
        channels[0].only_order_no = made.trade.order_no
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)
        clock.advance(901)

        while expire_due_orders():
            pass

        assert made.story() == ("CLOSED", ["FAILED"], ["RELEASED", "FAILED"], ["RELEASED"])
        made.check_purse(balance=PURSE, held=0)

    def test_success_after_the_close_is_late_money_of_the_channels_part_only(
        self, channels: Channels
    ):
        made = waiting(channels)
        assert made.answer(CLOSED) == "closed"
        made.check_purse(balance=PURSE, held=0)
        suspense = balance_of("L90:scripted:CNY")

        assert made.answer(collected(), Cause.CALLBACK) == "late_money"

        (late,) = made.trade.late_money()
        assert late["amount"] == REST
        assert balance_of("L90:scripted:CNY") == suspense + REST
        made.check_purse(balance=PURSE, held=0)
        assert [row["status"] for row in made.trade.holds()] == ["RELEASED"]
        assert made.trade.merchant_balance() == 0

    def test_another_amount_is_late_money_and_gives_the_balance_back(self, channels: Channels):
        made = waiting(channels)

        assert made.answer(collected(AMOUNT), Cause.CALLBACK) == "quarantined"
        made.check_purse(balance=PURSE, held=PART)
        assert made.answer(collected(AMOUNT), Cause.INQUIRY) == "late_money"

        assert made.story() == ("INIT", ["FAILED"], ["RELEASED", "FAILED"], ["RELEASED"])
        (late,) = made.trade.late_money()
        assert late["amount"] == AMOUNT
        made.check_purse(balance=PURSE, held=0)

    def test_another_method_frees_the_hold_first(self, channels: Channels):
        made = waiting(channels)
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)
        channels[0].pay_answers.append(PENDING)

        again = made.trade.pay_combined(payer_token=made.token, balance_amount=PURSE)

        assert again.status == "PAYING"
        assert [row["status"] for row in made.trade.holds()] == ["RELEASED", "OPEN"]
        made.check_purse(balance=PURSE, held=PURSE)

    def test_the_end_is_all_or_nothing(self, channels: Channels, monkeypatch: pytest.MonkeyPatch):
        """A failure after the release takes the release back with it: the hold lives as long as its payment."""
        made = waiting(channels)
        before = made.trade.footprint()

        def refuse(_self: object, **_facts: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(
            "acquiring.services.payment_owner.OrderPaymentOwner.payment_failed", refuse
        )
        with pytest.raises(ZeroDivisionError):
            made.answer(DECLINED)

        assert made.trade.footprint() == before
        made.check_purse(balance=PURSE, held=PART)


SAID = {
    "PENDING": PENDING,
    "UNKNOWN": UNKNOWN,
    "NOT_FOUND": NOT_FOUND,
    "DECLINED": DECLINED,
    "RETRIABLE": RETRIABLE,
    "NOT_SENT": NOT_SENT,
    "CLOSED": CLOSED,
}


class TestAnySequence:
    @settings(
        max_examples=800 if LONG else 25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(
        said=st.lists(
            st.tuples(
                st.sampled_from([*SAID, "collected", "collected", "too much"]),
                st.sampled_from([Cause.CALLBACK, Cause.INQUIRY, Cause.SYNC_ANSWER]),
                st.booleans(),
            ),
            min_size=1,
            max_size=7,
        )
    )
    def test_the_hold_ends_as_its_payment_does(
        self, channels: Channels, said: list[tuple[str, Cause, bool]]
    ):
        """Captured iff PAID, given back iff FAILED, open iff the payment lives; whatever is said in which order."""
        for channel in channels:
            channel.forget()
            channel.pay_answers.append(PENDING)
        made = combined()
        made.pay()
        for word, cause, to_the_first in said:
            answer = SAID.get(word) or collected(AMOUNT if word == "too much" else REST)
            attempt = made.trade.attempts()[0 if to_the_first else -1]
            apply_attempt_outcome(attempt_no=attempt["attempt_no"], answer=answer, cause=cause)

            (payment,), (hold,) = made.trade.payments(), made.trade.holds()
            balance, external = made.trade.details()
            assert (
                hold["status"]
                == {
                    "PAID": "CAPTURED",
                    "FAILED": "RELEASED",
                    "PAYING": "OPEN",
                }[payment["status"]]
            )
            assert (balance["status"], external["status"]) == {
                "PAID": ("DONE", "DONE"),
                "FAILED": ("RELEASED", "FAILED"),
                "PAYING": ("HELD", "INIT"),
            }[payment["status"]]
            paid = payment["status"] == "PAID"
            made.check_purse(
                balance=PURSE - PART if paid else PURSE,
                held=PART if payment["status"] == "PAYING" else 0,
            )
            assert made.trade.merchant_balance() == (AMOUNT if paid else 0)
            assert made.trade.order()["status"] in {"PAYING", "INIT", "SUCCESS"}
