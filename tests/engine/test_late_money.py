"""Late money: recorded once, settled by its merchant's policy, returned without touching the good payment."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from acquiring.contracts import CloseReason, MerchantIdentity
from acquiring.services.closing import CloseResult, close_order
from engine.channels.base import Capability, ChannelAnswer, Outcome
from engine.contracts import (
    Cause,
    LateMoneyDecision,
    LateMoneyNotAsked,
    LateMoneyNotOpen,
)
from engine.selectors import total_late_money
from engine.services.inquiries import query_attempt
from engine.services.late_money_settling import (
    _send_back_when_due,
    decide_late_money,
    settle_due_late_money,
)
from engine.services.outcomes import apply_attempt_outcome
from engine.services.refund_submission import repeat_due_refunds, repeat_refund
from paymentplatform.kernel.errors import NotFound
from tests.barrier import failures, run_together
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.engine.test_funnel import CLOSED, DECLINED, PENDING, new_trade_no, pending_trade
from tests.trading import Trade, balance_of, make_identity, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]
NOT_FOUND = ChannelAnswer(outcome=Outcome.NOT_FOUND)
REFUSED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="refund_refused")
SUSPENSE, TRANSIT, OWED = "L90:scripted:CNY", "L30:scripted:CNY", "A10:scripted:CNY"


def merchant_with(policy: str, *, minutes: int = 60, **options: Any) -> MerchantIdentity:
    """A merchant with this policy for late money."""
    return make_identity(late_money_policy=policy, late_money_ask_minutes=minutes, **options)


def failed_trade(channels: Channels, policy: str = "REFUND", **options: Any) -> Trade:
    """A trade whose only payment was declined; the order is open for another one."""
    merchant = merchant_with(policy, **options)
    trade = pending_trade(channels, merchant=merchant)
    apply_attempt_outcome(
        attempt_no=trade.attempts()[0]["attempt_no"], answer=DECLINED, cause=Cause.CALLBACK
    )
    return trade


def late_trade(channels: Channels, policy: str = "REFUND", **options: Any) -> Trade:
    """The same, and then the channel took the money all the same."""
    trade = failed_trade(channels, policy, **options)
    succeed_late(trade)
    return trade


def succeed_late(trade: Trade, *, amount: int = 10_00) -> None:
    answer = charged(amount, trade_no=new_trade_no())
    applied = apply_attempt_outcome(
        attempt_no=trade.attempts()[0]["attempt_no"], answer=answer, cause=Cause.CALLBACK
    )
    assert applied.effect == "late_money"


def late_of(trade: Trade) -> dict[str, Any]:
    (late,) = trade.late_money()
    return late


def untouched(trade: Trade) -> tuple[Any, ...]:
    """All of the good side: order, payments, details, events of the order, moves and the merchant's money."""
    return (
        trade.order(),
        trade.payments(),
        trade.details(),
        trade.event_types(),
        trade.moves(),
        trade.merchant_balance(),
    )


def refunds_of(late: dict[str, Any]) -> list[dict[str, Any]]:
    return rows(
        "SELECT * FROM engine_refund WHERE late_money_no = %s ORDER BY created_at",
        late["late_money_no"],
    )


def cases_of(number: str) -> list[tuple[str, str]]:
    return [
        (row["kind"], row["status"])
        for row in rows("SELECT * FROM engine_case WHERE object_no = %s ORDER BY case_no", number)
    ]


def events_of(late: dict[str, Any]) -> list[dict[str, Any]]:
    return rows(
        "SELECT type, payload::json AS body FROM acquiring_merchant_event WHERE object_no = %s "
        "ORDER BY event_id",
        late["late_money_no"],
    )


def settle() -> None:
    """Let every sweep run until nothing is due."""
    while settle_due_late_money():
        pass


def books() -> dict[str, int]:
    return {code: balance_of(code) for code in (SUSPENSE, TRANSIT, OWED)}


def grown(before: dict[str, int]) -> dict[str, int]:
    return {
        code: balance - before[code] for code, balance in books().items() if balance != before[code]
    }


def decide(trade: Trade, decision: str) -> Any:
    return decide_late_money(
        late_money_no=late_of(trade)["late_money_no"],
        merchant_no=trade.merchant.merchant_no,
        decision=LateMoneyDecision(decision),
        cause=Cause.API,
    )


def answer_refund(channels: Channels, trade: Trade, answer: ChannelAnswer | None = None) -> None:
    """The refund's janitor asks; the channel knows nothing, is sent it and answers."""
    (refund,) = [row for row in refunds_of(late_of(trade)) if row["status"] == "PROCESSING"]
    channels[0].only_order_no = trade.order_no
    channels[0].query_refund_answers.append(NOT_FOUND)
    channels[0].refund_answers.append(
        answer or charged(refund["external_amount"], trade_no=new_trade_no())
    )
    repeat_refund(refund_no=refund["refund_no"])


class TestPolicyRefund:
    def test_sends_it_back_and_tells_the_merchant(self, channels: Channels):
        settle()  # what earlier tests have left due
        before = books()
        trade = late_trade(channels)
        good, late = untouched(trade), late_of(trade)
        assert (late["status"], late["policy"], late["reason"]) == (
            "OPEN",
            "REFUND",
            "success_after_failure",
        )
        assert grown(before) == {SUSPENSE: 10_00, OWED: 10_00}

        settle()

        assert late_of(trade)["status"] == "REFUNDING"
        assert late_of(trade)["decided_by"] == "policy"
        assert grown(before) == {TRANSIT: 10_00, OWED: 10_00}
        answer_refund(channels, trade)
        ended = late_of(trade)
        assert (ended["status"], ended["due_at"]) == ("REFUNDED", None)
        assert grown(before) == {}
        (refund,) = refunds_of(ended)
        assert (refund["status"], refund["amount"]) == ("SUCCESS", 10_00)
        assert refund["channel_trade_no"] == ended["channel_trade_no"]
        (told,) = events_of(ended)
        assert told["type"] == "late_money.resolved"
        assert told["body"]["data"]["status"] == "REFUNDED"
        assert cases_of(ended["late_money_no"]) == []
        assert untouched(trade) == good

    def test_repeats_of_one_late_success_at_once_are_one_receipt_and_one_refund(
        self, channels: Channels
    ):
        before = books()
        trade = failed_trade(channels)
        number = trade.attempts()[0]["attempt_no"]
        said = charged(10_00, trade_no=new_trade_no())

        def tell() -> str:
            return apply_attempt_outcome(
                attempt_no=number, answer=said, cause=Cause.CALLBACK
            ).effect

        told = run_together([tell] * 6 + [settle_due_late_money] * 2)
        assert failures(told) == []
        again = run_together([settle_due_late_money] * 4 + [tell] * 2)
        assert failures(again) == []

        late = late_of(trade)
        assert late["status"] == "REFUNDING"
        assert len(refunds_of(late)) == 1
        assert grown(before) == {TRANSIT: 10_00, OWED: 10_00}

    def test_of_a_second_charge_never_touches_the_good_payment(self, channels: Channels):
        merchant = merchant_with("REFUND", fee_rate_ppm=6_000)
        trade = pending_trade(channels, merchant=merchant)
        number = trade.attempts()[0]["attempt_no"]
        apply_attempt_outcome(
            attempt_no=number,
            answer=charged(10_00, trade_no=new_trade_no()),
            cause=Cause.CALLBACK,
        )
        good = untouched(trade)
        before = books()
        apply_attempt_outcome(
            attempt_no=number,
            answer=charged(10_00, trade_no=new_trade_no()),
            cause=Cause.CALLBACK,
        )
        assert late_of(trade)["reason"] == "charged_twice"

        settle()
        answer_refund(channels, trade)

        assert late_of(trade)["status"] == "REFUNDED"
        assert untouched(trade) == good
        assert (trade.order()["refunded_amount"], trade.order()["refunding_amount"]) == (0, 0)
        assert trade.event_types() == ["order.success"]
        assert trade.merchant_balance() == 10_00 - 6
        assert grown(before) == {}

    def test_goes_on_while_another_payment_pays_the_order(self, channels: Channels):
        trade = late_trade(channels)
        channels[0].pay_answers.append(PENDING)
        trade.pay()
        second = trade.attempts()[1]["attempt_no"]
        apply_attempt_outcome(
            attempt_no=second,
            answer=charged(10_00, trade_no=new_trade_no()),
            cause=Cause.CALLBACK,
        )
        settle()
        answer_refund(channels, trade)

        assert trade.order()["status"] == "SUCCESS"
        assert trade.order()["refunded_amount"] == 0
        assert [payment["status"] for payment in trade.payments()] == ["FAILED", "PAID"]
        assert trade.merchant_balance() == 10_00
        assert late_of(trade)["status"] == "REFUNDED"
        assert late_of(trade)["payment_no"] == trade.payments()[0]["payment_no"]

    def test_comes_late_when_another_payment_has_paid_already(self, channels: Channels):
        trade = failed_trade(channels)
        channels[0].pay_answers.append(PENDING)
        trade.pay()
        apply_attempt_outcome(
            attempt_no=trade.attempts()[1]["attempt_no"],
            answer=charged(10_00, trade_no=new_trade_no()),
            cause=Cause.CALLBACK,
        )
        paid = untouched(trade)

        succeed_late(trade)
        settle()
        answer_refund(channels, trade)

        assert untouched(trade) == paid
        assert late_of(trade)["status"] == "REFUNDED"

    def test_refused_by_the_channel_is_for_people_and_due_no_more(self, channels: Channels):
        before = books()
        trade = late_trade(channels)
        settle()

        answer_refund(channels, trade, REFUSED)

        late = late_of(trade)
        assert (late["status"], late["due_at"], late["decided_by"]) == ("OPEN", None, "")
        assert grown(before) == {SUSPENSE: 10_00, OWED: 10_00}
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]
        assert events_of(late) == []
        settle()
        assert len(refunds_of(late)) == 1

    def test_is_found_by_the_sweep_when_the_process_died_before_its_refund(
        self, channels: Channels, clock: VirtualClock
    ):
        trade = late_trade(channels)
        number = late_of(trade)["late_money_no"]
        rows(
            "UPDATE engine_late_money SET due_at = platform_now() + interval '30 s' "
            "WHERE late_money_no = %s RETURNING 1",
            number,
        )  # what a worker leaves that was killed after it had claimed the row
        settle()
        assert late_of(trade)["status"] == "OPEN"

        clock.advance(31)
        settle()

        assert late_of(trade)["status"] == "REFUNDING"

    def test_is_sent_by_the_janitor_when_the_process_died_after_writing_its_refund(
        self, channels: Channels
    ):
        trade = late_trade(channels)
        settle()
        channels[0].only_order_no = trade.order_no
        channels[0].query_refund_answers.append(NOT_FOUND)
        channels[0].refund_answers.append(charged(10_00, trade_no=new_trade_no()))

        while repeat_due_refunds():
            pass

        assert late_of(trade)["status"] == "REFUNDED"

    def test_at_a_channel_that_cannot_give_back_waits_for_people(
        self, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(channels[0], "capabilities", frozenset({Capability.QR_CODE}))
        trade = late_trade(channels)
        late = late_of(trade)
        assert (late["policy"], late["due_at"]) == ("HOLD", None)
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]

    def test_at_a_channel_that_cannot_give_back_any_more_waits_for_people(
        self, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        trade = late_trade(channels)
        before = books()
        monkeypatch.setattr(channels[0], "capabilities", frozenset({Capability.QR_CODE}))

        settle()

        late = late_of(trade)
        assert (late["status"], late["due_at"]) == ("OPEN", None)
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]
        assert (refunds_of(late), grown(before)) == ([], {})
        settle()
        assert late_of(trade) == late


class TestPolicyHold:
    def test_waits_with_a_case(self, channels: Channels):
        trade = late_trade(channels, "HOLD")
        late = late_of(trade)
        assert (late["status"], late["policy"], late["due_at"]) == ("OPEN", "HOLD", None)
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]
        assert events_of(late) == []

        settle()
        _send_back_when_due(late_money_no=late["late_money_no"])  # claimed before it was held again

        assert late_of(trade) == late

    def test_leaves_nothing_to_the_merchant(self, channels: Channels):
        trade = late_trade(channels, "HOLD")
        before = (late_of(trade), books())
        with pytest.raises(LateMoneyNotAsked):
            decide(trade, "HONOUR")
        assert (late_of(trade), books()) == before


class TestPolicyAsk:
    def test_asks_the_merchant_with_the_time_it_has(self, channels: Channels):
        trade = late_trade(channels, "ASK", minutes=30)
        late = late_of(trade)
        (asked,) = events_of(late)
        data = asked["body"]["data"]
        assert asked["type"] == "late_money.pending"
        assert (data["status"], data["policy"], data["amount"]) == ("OPEN", "ASK", 10_00)
        assert (late["respond_by"] - late["created_at"]).total_seconds() == 30 * 60
        assert data["respond_by"].startswith(f"{late['respond_by']:%Y-%m-%dT%H:%M:%S}")
        assert cases_of(late["late_money_no"]) == []
        settle()
        assert late_of(trade) == late

    def test_unanswered_is_refunded_at_the_deadline(self, channels: Channels, clock: VirtualClock):
        trade = late_trade(channels, "ASK", minutes=30)
        respond_by = late_of(trade)["respond_by"]
        clock.advance(30 * 60 - 5)
        settle()
        assert late_of(trade)["status"] == "OPEN"

        clock.advance(10)
        settle()

        late = late_of(trade)
        assert (late["status"], late["decided_by"]) == ("REFUNDING", "policy")
        assert late["respond_by"] == respond_by
        with pytest.raises(LateMoneyNotOpen):
            decide(trade, "HONOUR")
        assert late_of(trade) == late

    def test_honoured_is_the_merchants_less_the_fee(self, channels: Channels):
        before = books()
        trade = late_trade(channels, "ASK", fee_rate_ppm=6_000)
        order = trade.order()

        first = decide(trade, "HONOUR")
        again = decide(trade, "HONOUR")

        assert first == again
        assert first.status == "HONOURED"
        late = late_of(trade)
        assert late["decided_by"] == f"merchant:{trade.merchant.merchant_no}"
        assert trade.merchant_balance() == 10_00 - 6
        assert grown(before) == {OWED: 10_00}
        assert [event["type"] for event in events_of(late)] == [
            "late_money.pending",
            "late_money.resolved",
        ]
        closed = {"status", "close_reason", "closed_at", "due_at"}
        after = trade.order()
        assert {name for name, value in after.items() if order[name] != value} == closed
        assert (after["status"], after["refunded_amount"]) == ("CLOSED", 0)
        with pytest.raises(LateMoneyNotOpen):
            decide(trade, "REFUND")
        assert late_of(trade) == late

    def test_of_an_order_that_is_paid_is_not_the_merchants_to_keep(self, channels: Channels):
        trade = pending_trade(channels, merchant=merchant_with("ASK"))
        number = trade.attempts()[0]["attempt_no"]
        for _charge in range(2):
            apply_attempt_outcome(
                attempt_no=number,
                answer=charged(10_00, trade_no=new_trade_no()),
                cause=Cause.CALLBACK,
            )
        with pytest.raises(LateMoneyNotAsked):
            decide(trade, "HONOUR")
        assert trade.merchant_balance() == 10_00
        assert decide(trade, "REFUND").status == "REFUNDING"

    def test_refunded_by_the_merchant_before_the_deadline(self, channels: Channels):
        trade = late_trade(channels, "ASK")
        assert decide(trade, "REFUND").status == "REFUNDING"
        assert decide(trade, "REFUND").status == "REFUNDING"
        assert len(refunds_of(late_of(trade))) == 1
        answer_refund(channels, trade)
        assert decide(trade, "REFUND").status == "REFUNDED"
        with pytest.raises(LateMoneyNotOpen):
            decide(trade, "HONOUR")
        assert trade.merchant_balance() == 0

    def test_is_nobody_elses_to_decide(self, channels: Channels):
        trade = late_trade(channels, "ASK")
        before = (late_of(trade), books())
        with pytest.raises(NotFound):
            decide_late_money(
                late_money_no=late_of(trade)["late_money_no"],
                merchant_no=make_identity().merchant_no,
                decision=LateMoneyDecision.HONOUR,
                cause=Cause.API,
            )
        assert (late_of(trade), books()) == before

    def test_decided_again_after_a_refused_refund_gets_another_number(self, channels: Channels):
        trade = late_trade(channels, "ASK", fee_rate_ppm=6_000)
        decide(trade, "REFUND")
        answer_refund(channels, trade, REFUSED)
        late = late_of(trade)
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]

        decide(trade, "REFUND")
        answer_refund(channels, trade)

        late = late_of(trade)
        assert late["status"] == "REFUNDED"
        assert [refund["status"] for refund in refunds_of(late)] == ["FAILED", "SUCCESS"]
        assert cases_of(late["late_money_no"]) == [("late_money", "RESOLVED")]

    def test_decision_against_deadline_has_one_outcome(
        self, channels: Channels, clock: VirtualClock
    ):
        won = set()
        for _round in range(12):
            before = books()
            trade = late_trade(channels, "ASK", minutes=1)
            clock.advance(61)

            def answer(of: Trade = trade) -> str:
                try:
                    return str(decide(of, "HONOUR").status)
                except LateMoneyNotOpen:
                    return "too late"

            answered, *swept = run_together([answer, settle_due_late_money])
            assert failures([answered, *swept]) == []
            late = late_of(trade)
            won.add(late["status"])
            if late["status"] == "HONOURED":
                assert answered == "HONOURED"
                assert refunds_of(late) == []
                assert trade.merchant_balance() == 10_00
                assert grown(before) == {OWED: 10_00}
            else:
                assert (late["status"], answered) == ("REFUNDING", "too late")
                assert len(refunds_of(late)) == 1
                assert trade.merchant_balance() == 0
                assert grown(before) == {TRANSIT: 10_00, OWED: 10_00}
        assert won <= {"HONOURED", "REFUNDING"}


class TestCases:
    def test_another_amount_is_late_money_with_a_case_that_ends_with_it(self, channels: Channels):
        trade = pending_trade(channels, merchant=merchant_with("REFUND"))
        number = trade.attempts()[0]["attempt_no"]
        said = charged(9_99, trade_no=new_trade_no())
        apply_attempt_outcome(attempt_no=number, answer=said, cause=Cause.INQUIRY)
        late = late_of(trade)
        assert (late["amount"], late["reason"]) == (9_99, "amount_mismatch")
        assert cases_of(late["late_money_no"]) == [("late_money", "OPEN")]
        assert cases_of(number) == [("amount_mismatch", "OPEN")]

        settle()
        answer_refund(channels, trade)

        assert late_of(trade)["status"] == "REFUNDED"
        assert cases_of(late["late_money_no"]) == [("late_money", "RESOLVED")]
        assert cases_of(number) == [("amount_mismatch", "RESOLVED")]
        assert trade.payments()[0]["failure_code"] == "amount_mismatch"

    def test_a_spent_schedule_is_resolved_by_the_attempts_end(self, channels: Channels):
        trade = pending_trade(channels)
        number = trade.attempts()[0]["attempt_no"]
        with override_settings(INQUIRY_SCHEDULE_S=(1, 1)):
            channels[0].query_answers.append(PENDING)
            query_attempt(attempt_no=number)
            assert cases_of(number) == [("inquiry_schedule_spent", "OPEN")]

            channels[0].query_answers.append(charged(10_00, trade_no=new_trade_no()))
            query_attempt(attempt_no=number)

        assert cases_of(number) == [("inquiry_schedule_spent", "RESOLVED")]
        assert trade.order()["status"] == "SUCCESS"

    def test_closed_orders_stay_closed(self, channels: Channels):
        trade = pending_trade(channels, merchant=merchant_with("REFUND"))
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)
        closed = close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
        assert closed is CloseResult.CLOSED
        before = untouched(trade)
        succeed_late(trade)
        assert late_of(trade)["reason"] == "success_after_close"
        settle()
        answer_refund(channels, trade)
        assert late_of(trade)["status"] == "REFUNDED"
        assert untouched(trade) == before


def test_past_the_sla_it_is_overdue_until_it_ends(channels: Channels, clock: VirtualClock):
    trade = late_trade(channels, "ASK", minutes=10_000)

    def overdue() -> int:
        """What is reported, without what other tests have left: that grows old as the clock moves, too."""
        reported = [
            total.overdue for total in total_late_money() if total.channel_code == "scripted"
        ]
        (others,) = rows(
            """SELECT count(*) AS n FROM engine_late_money WHERE resolved_at IS NULL
               AND channel_code = 'scripted' AND order_no <> %s
               AND created_at < platform_now() - interval '24 hours'""",
            trade.order_no,
        )
        return sum(reported) - others["n"]

    clock.advance(24 * 3600 - 60)
    assert overdue() == 0
    clock.advance(120)
    assert overdue() == 1

    decide(trade, "HONOUR")

    assert overdue() == 0
