"""The funnel: every answer about an attempt, in every order, from every side, has its one stated effect."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.contracts import CloseReason, OrderAlreadyPaid, OrderClosed, OrderFailed
from acquiring.services.closing import (
    CLOSED_AT_ONCE,
    CloseResult,
    _begin_close,
    close_order,
    expire_due_orders,
)
from engine.channels.base import ChannelAnswer, Outcome, PayerActionData
from engine.contracts import Cause
from engine.services.inquiries import BATCH, query_attempt, query_due_attempts
from engine.services.outcomes import apply_attempt_outcome
from engine.services.submission import submit_attempt, submit_payment
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.barrier import run_together
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.environment import LONG
from tests.slots import no_slot_free
from tests.trading import Trade, balance_of, make_identity, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]

PENDING = ChannelAnswer(
    outcome=Outcome.PENDING, action=PayerActionData(type="qr_code", qr_content="qr://x")
)
DECLINED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="declined")
RETRIABLE = ChannelAnswer(outcome=Outcome.FAILED, failure_code="issuer_down", retriable=True)
NOT_SENT = ChannelAnswer(outcome=Outcome.NOT_SENT)
NOT_FOUND = ChannelAnswer(outcome=Outcome.NOT_FOUND)
CLOSED = ChannelAnswer(outcome=Outcome.CLOSED)


def new_trade_no() -> str:
    return f"ch-{secrets.token_hex(6)}"


def pending_trade(channels: Channels, **changes: object) -> Trade:
    """A trade whose QR code has been shown."""
    channels[0].pay_answers.append(PENDING)
    trade = make_trade(**changes)
    assert trade.pay().status == "PAYING"
    return trade


class TestSuccess:
    def test_moves_attempt_payment_order_and_money_once(self, channels: Channels):
        trade = pending_trade(channels, merchant=make_identity(fee_rate_ppm=6_000))
        (attempt,) = trade.attempts()
        answer = charged(10_00, trade_no=new_trade_no())

        first = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
        )
        second = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.INQUIRY
        )

        assert (first.effect, second.effect) == ("paid", "repeated")
        assert trade.order()["status"] == "SUCCESS"
        assert [p["status"] for p in trade.payments()] == ["PAID"]
        assert trade.event_types() == ["order.success"]
        assert trade.merchant_balance() == 10_00 - 6
        assert trade.moves() == [("", "INIT"), ("INIT", "PAYING"), ("PAYING", "SUCCESS")]

    def test_from_three_sides_at_once_has_one_effect(self, channels: Channels):
        for _round in range(10):
            trade = pending_trade(channels)
            (attempt,) = trade.attempts()
            answer = charged(10_00, trade_no=new_trade_no())

            def from_side(cause: Cause, no: str = attempt["attempt_no"], said=answer) -> str:
                return apply_attempt_outcome(attempt_no=no, answer=said, cause=cause).effect

            effects = run_together(
                [
                    lambda: from_side(Cause.CALLBACK),
                    lambda: from_side(Cause.SYNC_ANSWER),
                    lambda: from_side(Cause.INQUIRY),
                ]
            )

            assert sorted(effects) == ["paid", "repeated", "repeated"]
            assert trade.merchant_balance() == 10_00
            assert trade.event_types() == ["order.success"]

    def test_stands_when_an_older_answer_arrives_later(self, channels: Channels):
        trade = pending_trade(channels)
        (attempt,) = trade.attempts()
        number = attempt["attempt_no"]
        paid = charged(10_00, trade_no=new_trade_no())
        apply_attempt_outcome(attempt_no=number, answer=paid, cause=Cause.CALLBACK)
        before = trade.footprint()

        for late in (PENDING, DECLINED, NOT_FOUND, CLOSED):
            applied = apply_attempt_outcome(attempt_no=number, answer=late, cause=Cause.CALLBACK)
            assert applied.effect == "ignored"

        assert trade.footprint() == before


class TestDecline:
    def test_opens_the_order_for_another_try(self, channels: Channels):
        channels[0].pay_answers.append(DECLINED)
        trade = make_trade()

        result = trade.pay()

        assert (result.status, result.failure_code) == ("FAILED", "declined")
        assert trade.order()["status"] == "INIT"
        assert trade.event_types() == []
        assert trade.merchant_balance() == 0
        assert channels[1].calls == []

    def test_of_the_last_try_fails_the_order(self, channels: Channels):
        channels[0].pay_answers += [DECLINED, DECLINED]
        trade = make_trade(merchant=make_identity(max_tries=2))

        trade.pay()
        trade.pay()

        assert trade.order()["status"] == "FAILED"
        assert trade.order()["failure_code"] == "declined"
        assert trade.event_types() == ["order.failed"]
        before = trade.footprint()
        with pytest.raises(OrderFailed):
            trade.pay()
        assert trade.footprint() == before


class TestFailover:
    @pytest.mark.parametrize("answer", [RETRIABLE, NOT_SENT], ids=["retriable", "not_sent"])
    def test_follows_only_what_certainly_took_nothing(
        self, channels: Channels, answer: ChannelAnswer
    ):
        channels[0].pay_answers.append(answer)
        channels[1].pay_answers.append(charged(10_00, trade_no=new_trade_no()))
        trade = make_trade()

        assert trade.pay().status == "PAID"
        assert [a["status"] for a in trade.attempts()] == ["FAILED", "SUCCEEDED"]
        assert [d["channel_code"] for d in details_of(trade)] == ["scripted2"]
        assert balance_of("A10:scripted:CNY") >= 0
        assert trade.merchant_balance() == 10_00

    def test_not_sent_counts_only_from_the_process_that_saw_it(self, channels: Channels):
        trade = pending_trade(channels)
        (attempt,) = trade.attempts()

        apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=NOT_SENT, cause=Cause.INQUIRY
        )

        assert [a["status"] for a in trade.attempts()] == ["UNKNOWN"]
        assert trade.order()["status"] == "PAYING"
        assert channels[1].calls == []

    @settings(
        max_examples=600 if LONG else 20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(
        said=st.lists(
            st.sampled_from(
                ["paid", "PENDING", "UNKNOWN", "NOT_FOUND", "DECLINED", "RETRIABLE", "NOT_SENT"]
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_never_leaves_two_live_attempts_or_pays_twice(
        self, channels: Channels, said: list[str]
    ):
        answers = {
            "PENDING": PENDING,
            "UNKNOWN": ChannelAnswer(outcome=Outcome.UNKNOWN),
            "NOT_FOUND": NOT_FOUND,
            "DECLINED": DECLINED,
            "RETRIABLE": RETRIABLE,
            "NOT_SENT": NOT_SENT,
        }
        for channel in channels:
            channel.forget()
        first, *later = [
            answers.get(word) or charged(10_00, trade_no=new_trade_no()) for word in said
        ]
        channels[0].pay_answers.append(first)
        trade = make_trade()
        trade.pay()
        for answer in later:
            attempt = trade.attempts()[-1]
            apply_attempt_outcome(
                attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
            )
        attempts = trade.attempts()
        assert sum(a["live_detail_no"] is not None for a in attempts) <= 1
        taken = sum(a["status"] == "SUCCEEDED" for a in attempts)
        late = len(trade.late_money())
        assert trade.merchant_balance() == (10_00 if trade.order()["status"] == "SUCCESS" else 0)
        assert taken == (trade.order()["status"] == "SUCCESS")
        assert late <= said.count("paid")
        if len(attempts) > 1:
            assert attempts[0]["failure_code"] in {"issuer_down", "not_sent"}


class TestUnknown:
    def test_keeps_the_payment_alive_and_asks_again(self, channels: Channels, clock: VirtualClock):
        trade = make_trade()

        assert trade.pay().status == "PAYING"

        (attempt,) = trade.attempts()
        assert attempt["status"] == "UNKNOWN"
        assert attempt["next_query_at"] is not None
        channels[0].query_answers.append(charged(10_00, trade_no=new_trade_no()))
        query_attempt(attempt_no=attempt["attempt_no"])
        assert trade.order()["status"] == "SUCCESS"

    def test_is_never_failed_by_the_clock_but_shown_to_people(
        self, channels: Channels, settings: object
    ):
        settings.INQUIRY_SCHEDULE_S = (1, 1, 1)
        trade = make_trade()
        trade.pay()
        (attempt,) = trade.attempts()

        for _inquiry in range(5):
            query_attempt(attempt_no=attempt["attempt_no"])

        assert trade.order()["status"] == "PAYING"
        cases = rows("SELECT * FROM engine_case WHERE object_no = %s", attempt["attempt_no"])
        assert [case["kind"] for case in cases] == ["inquiry_schedule_spent"]

    def test_not_found_is_final_only_after_grace_and_an_accepted_close(
        self, channels: Channels, clock: VirtualClock, settings: object
    ):
        settings.NOT_FOUND_GRACE_S = 30
        trade = make_trade()
        trade.pay()
        (attempt,) = trade.attempts()
        number = attempt["attempt_no"]

        channels[0].query_answers.append(NOT_FOUND)
        channels[0].close_answers.append(CLOSED)
        query_attempt(attempt_no=number)
        assert ("close", number) not in channels[0].calls
        assert trade.order()["status"] == "PAYING"

        clock.advance(31)
        channels[0].query_answers.append(NOT_FOUND)
        query_attempt(attempt_no=number)

        assert ("close", number) in channels[0].calls
        assert [a["status"] for a in trade.attempts()] == ["CLOSED"]
        assert trade.order()["status"] == "INIT"
        assert trade.order()["failed_tries"] == 0


class TestLateMoney:
    def test_after_a_close_goes_to_suspense_and_changes_no_terminal_state(self, channels: Channels):
        trade = pending_trade(channels)
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)
        result = close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
        assert result is CloseResult.CLOSED
        (attempt,) = trade.attempts()
        suspense = balance_of("L90:scripted:CNY")
        answer = charged(10_00, trade_no=new_trade_no())

        effects = {
            apply_attempt_outcome(
                attempt_no=attempt["attempt_no"], answer=answer, cause=Cause.CALLBACK
            ).effect
            for _repeat in range(3)
        }

        assert effects == {"late_money"}
        assert trade.order()["status"] == "CLOSED"
        assert [a["status"] for a in trade.attempts()] == ["CLOSED"]
        assert [(row["amount"], row["status"]) for row in trade.late_money()] == [(10_00, "OPEN")]
        assert balance_of("L90:scripted:CNY") - suspense == 10_00
        assert trade.event_types() == ["order.closed"]

    def test_another_charge_for_a_paid_attempt_is_kept_too(self, channels: Channels):
        trade = pending_trade(channels)
        (attempt,) = trade.attempts()
        for _charge in range(2):
            apply_attempt_outcome(
                attempt_no=attempt["attempt_no"],
                answer=charged(10_00, trade_no=new_trade_no()),
                cause=Cause.CALLBACK,
            )
        assert trade.order()["status"] == "SUCCESS"
        assert len(trade.late_money()) == 1
        assert trade.merchant_balance() == 10_00


class TestUnreadableSuccess:
    @pytest.mark.parametrize(
        "said",
        [
            {"amount": 0},
            {"amount": -5},
            {"amount": 2**70},
            {"amount": None},
            {"currency": "EURO"},
            {"currency": None},
            {"channel_trade_no": None},
            {"channel_trade_no": "a\x00b"},
        ],
    )
    @pytest.mark.parametrize("ended", [False, True], ids=["live", "ended"])
    def test_books_nothing_and_calls_people(
        self, channels: Channels, said: dict[str, object], ended: bool
    ):
        trade = pending_trade(channels)
        number = trade.attempts()[0]["attempt_no"]
        if ended:
            good = charged(10_00, trade_no=new_trade_no())
            apply_attempt_outcome(attempt_no=number, answer=good, cause=Cause.CALLBACK)
        money = (trade.merchant_balance(), balance_of("L90:scripted:CNY"))
        facts = {"channel_trade_no": new_trade_no(), "amount": 10_00, "currency": "CNY"} | said

        apply_attempt_outcome(
            attempt_no=number,
            answer=ChannelAnswer(outcome=Outcome.SUCCEEDED, **facts),
            cause=Cause.INQUIRY,
        )

        assert (trade.merchant_balance(), balance_of("L90:scripted:CNY")) == money
        assert trade.late_money() == []
        cases = rows("SELECT kind FROM engine_case WHERE object_no = %s", number)
        assert [case["kind"] for case in cases] == ["unreadable_success"]


class TestMismatch:
    def test_of_a_callback_only_raises_suspicion_and_the_inquiry_decides(self, channels: Channels):
        trade = pending_trade(channels)
        (attempt,) = trade.attempts()
        number = attempt["attempt_no"]
        short = charged(9_99, trade_no=new_trade_no())

        applied = apply_attempt_outcome(attempt_no=number, answer=short, cause=Cause.CALLBACK)

        assert applied.effect == "quarantined"
        assert trade.attempts()[0]["status"] == "UNKNOWN"
        assert trade.order()["status"] == "PAYING"
        assert trade.late_money() == []

        channels[0].query_answers.append(short)
        query_attempt(attempt_no=number)

        assert trade.order()["status"] == "INIT"
        assert [p["failure_code"] for p in trade.payments()] == ["amount_mismatch"]
        assert [row["amount"] for row in trade.late_money()] == [9_99]
        assert trade.merchant_balance() == 0

    @pytest.mark.parametrize(("amount", "state"), [(10_00, "RESOLVED"), (9_99, "OPEN")])
    def test_its_case_ends_by_our_amount_and_stays_while_the_other_is_out(
        self, channels: Channels, amount: int, state: str
    ):
        trade = pending_trade(channels)
        number = trade.attempts()[0]["attempt_no"]
        short = charged(9_99, trade_no=new_trade_no())
        apply_attempt_outcome(attempt_no=number, answer=short, cause=Cause.CALLBACK)
        channels[0].query_answers.append(replace(short, amount=amount))
        query_attempt(attempt_no=number)
        found = rows("SELECT status FROM engine_case WHERE object_no = %s", number)
        assert [case["status"] for case in found] == [state]

    def test_of_an_answer_to_a_worker_is_asked_about_at_once(self, channels: Channels):
        """The worker's lease ends with its answer: nobody waits until it runs out."""
        trade = make_trade()
        for channel in channels:
            channel.only_order_no = trade.order_no
        short = charged(9_99, trade_no=new_trade_no())
        channels[0].pay_answers.append(short)
        channels[0].query_answers.append(short)
        with no_slot_free():
            assert trade.pay().status == "PAYING"
        assert channels[0].calls == []

        for _janitor in range(2):
            while query_due_attempts():
                pass

        assert [call for call, _ in channels[0].calls] == ["pay", "query"]
        assert [row["amount"] for row in trade.late_money()] == [9_99]

    def test_in_currency_is_never_paid(self, channels: Channels):
        trade = pending_trade(channels)
        (attempt,) = trade.attempts()
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"],
            answer=charged(10_00, trade_no=new_trade_no(), currency="JPY"),
            cause=Cause.CALLBACK,
        )
        assert applied.effect == "quarantined"
        assert trade.merchant_balance() == 0


class TestTradeNumberOfAnother:
    """An institution that answers with somebody else's charge: it is booked, and given back, at most once."""

    @pytest.mark.parametrize("used", ["paid", "late"])
    @pytest.mark.parametrize("end", [DECLINED, CLOSED], ids=["failed", "closed"])
    def test_after_the_end_is_no_late_money(
        self, channels: Channels, used: str, end: ChannelAnswer
    ):
        charge = self.charge_somebody(channels, used)
        trade = pending_trade(channels)
        number = trade.attempts()[0]["attempt_no"]
        apply_attempt_outcome(attempt_no=number, answer=end, cause=Cause.INQUIRY)
        before = trade.footprint(), self.books()

        for _repeat in range(2):
            applied = apply_attempt_outcome(attempt_no=number, answer=charge, cause=Cause.CALLBACK)

            assert applied.effect == "quarantined"
        assert (trade.footprint(), self.books()) == before
        assert trade.late_money() == []
        assert self.cases_of(number) == ["duplicate_trade_no"]

    @pytest.mark.parametrize("used", ["paid", "late"])
    @pytest.mark.parametrize("amount", [10_00, 20_00], ids=["same_amount", "other_amount"])
    def test_of_a_live_attempt_ends_nothing(self, channels: Channels, used: str, amount: int):
        charge = self.charge_somebody(channels, used)
        trade = pending_trade(channels, amount=amount)
        number = trade.attempts()[0]["attempt_no"]
        money = self.books()

        applied = apply_attempt_outcome(attempt_no=number, answer=charge, cause=Cause.INQUIRY)

        assert applied.effect == "unknown"
        assert [payment["status"] for payment in trade.payments()] == ["PAYING"]
        assert (trade.late_money(), self.books()) == ([], money)
        assert self.cases_of(number) == ["duplicate_trade_no"]

    def test_named_by_two_orders_at_once_is_booked_once(self, channels: Channels):
        for _round in range(10):
            charge = charged(10_00, trade_no=new_trade_no())
            trades = [
                pending_trade(channels, merchant=make_identity(late_money_policy="HOLD"))
                for _ in range(2)
            ]
            numbers = [trade.attempts()[0]["attempt_no"] for trade in trades]
            apply_attempt_outcome(attempt_no=numbers[1], answer=DECLINED, cause=Cause.CALLBACK)
            money = self.books()[0]
            effects = run_together(
                [
                    partial(
                        apply_attempt_outcome,
                        attempt_no=number,
                        answer=charge,
                        cause=Cause.CALLBACK,
                    )
                    for number in numbers
                ]
            )
            assert sorted(done.effect for done in effects) in (
                ["late_money", "unknown"],
                ["paid", "quarantined"],
            )
            assert self.books()[0] - money == 10_00

    def charge_somebody(self, channels: Channels, used: str) -> ChannelAnswer:
        """Another order's charge, which paid that order or came too late for it."""
        other = pending_trade(channels, merchant=make_identity(late_money_policy="HOLD"))
        number = other.attempts()[0]["attempt_no"]
        if used == "late":
            apply_attempt_outcome(attempt_no=number, answer=DECLINED, cause=Cause.CALLBACK)
        charge = charged(10_00, trade_no=new_trade_no())
        apply_attempt_outcome(attempt_no=number, answer=charge, cause=Cause.CALLBACK)
        assert bool(other.late_money()) is (used == "late")
        return charge

    def books(self) -> list[int]:
        return [balance_of(code) for code in ("A10:scripted:CNY", "L90:scripted:CNY")]

    def cases_of(self, number: str) -> list[str]:
        found = rows("SELECT kind FROM engine_case WHERE object_no = %s", number)
        return [case["kind"] for case in found]


class TestClosing:
    def test_paid_meanwhile_wins(self, channels: Channels):
        trade = pending_trade(channels)
        channels[0].query_answers.append(charged(10_00, trade_no=new_trade_no()))

        with pytest.raises(OrderAlreadyPaid):
            close_order(
                order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
            )

        assert trade.order()["status"] == "SUCCESS"
        assert trade.order()["closing"] is False

    def test_without_a_certain_answer_stays_closing_and_refuses_new_pays(self, channels: Channels):
        trade = pending_trade(channels)

        result = close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )

        assert result is CloseResult.CLOSING
        assert (trade.order()["status"], trade.order()["closing"]) == ("PAYING", True)
        before = trade.footprint()
        with pytest.raises(Exception, match="being closed"):
            trade.pay()
        assert trade.footprint() == before
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)
        query_attempt(attempt_no=trade.attempts()[0]["attempt_no"])
        assert trade.order()["status"] == "CLOSED"
        assert trade.event_types() == ["order.closed"]

    def test_goes_on_by_itself_after_a_crash_before_the_channel_was_asked(
        self, channels: Channels, clock: VirtualClock
    ):
        trade = pending_trade(channels, expires_in=86_400)
        _begin_close(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
        assert trade.order()["closing"] is True
        clock.advance(61)
        channels[0].only_order_no = trade.order_no
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)

        while expire_due_orders():
            pass

        assert trade.order()["status"] == "CLOSED"
        assert trade.order()["close_reason"] == "MERCHANT"

    def test_expiry_closes_what_is_paying_only_with_the_channel(
        self, channels: Channels, clock: VirtualClock
    ):
        trade = pending_trade(channels)
        clock.advance(901)
        channels[0].only_order_no = trade.order_no
        channels[0].query_answers.append(PENDING)
        channels[0].close_answers.append(CLOSED)

        while expire_due_orders():
            pass

        assert trade.order()["status"] == "CLOSED"
        assert trade.order()["close_reason"] == "EXPIRED"
        with pytest.raises(OrderClosed):
            trade.pay()

    def test_expiry_takes_up_no_more_than_a_silent_channel_lets_it_end_in_time(
        self, channels: Channels, clock: VirtualClock
    ):
        """What is taken up longer than it is leased is taken up by a second worker as well, and by a third."""
        trades = [pending_trade(channels) for _ in range(CLOSED_AT_ONCE + 1)]
        clock.advance(901)

        def taken_up() -> int:
            return sum(trade.order()["closing"] for trade in trades)

        expire_due_orders()
        assert taken_up() <= CLOSED_AT_ONCE
        while expire_due_orders():
            pass
        assert taken_up() == CLOSED_AT_ONCE + 1


def test_a_channel_with_very_many_due_keeps_no_other_waiting(channels: Channels):
    """A silent one with thousands of codes on show would else be all that every worker asks, as long as it lasts."""
    many = [pending_trade(channels) for _ in range(BATCH + 1)]
    channels[0].pay_answers.append(RETRIABLE)
    other = pending_trade(channels[::-1])
    with (
        connection.cursor() as cursor
    ):  # longer due than what other tests have left, and the other the last of all
        cursor.execute(
            "UPDATE engine_channel_attempt SET next_query_at = timestamptz '2001-01-01' + CASE order_no WHEN %s"
            " THEN interval '1 day' ELSE interval '0' END WHERE order_no = ANY (%s) AND live_detail_no IS NOT NULL",
            [other.order_no, [trade.order_no for trade in (*many, other)]],
        )

    query_due_attempts()

    assert [call for call, _ in channels[1].calls] == ["pay", "query"]
    asked = [call for call, _ in channels[0].calls].count("query")
    assert 1 < asked < BATCH


class TestSubmission:
    def test_happens_once_however_many_try(self, channels: Channels):
        channels[0].pay_answers.append(PENDING)
        trade = make_trade()
        trade.pay()
        (attempt,) = trade.attempts()

        again = run_together([lambda: submit_attempt(attempt_no=attempt["attempt_no"])] * 4)

        assert again == [None] * 4
        assert [call for call, _ in channels[0].calls] == ["pay"]

    def test_of_an_order_whose_time_is_over_never_happens(
        self, channels: Channels, clock: VirtualClock
    ):
        """Whoever accepted it died, or its worker was away for long: nobody is charged for what he has left."""
        trade = make_trade()
        for channel in channels:
            channel.only_order_no = trade.order_no
            channel.pay_answers.append(charged(10_00, trade_no=new_trade_no()))
        with no_slot_free():
            assert trade.pay().status == "PAYING"
        clock.advance(901)

        while query_due_attempts():
            pass

        assert [channel.calls for channel in channels] == [[], []]
        (attempt,) = trade.attempts()
        assert (attempt["status"], attempt["submit_outcome"]) == ("FAILED", "")
        (payment,) = trade.payments()
        assert (payment["status"], payment["failure_code"]) == ("FAILED", "payment_closed")
        while expire_due_orders():
            pass
        assert (trade.order()["status"], trade.merchant_balance()) == ("CLOSED", 0)

    def test_refuses_to_run_inside_a_transaction(self, channels: Channels):
        trade = pending_trade(channels)
        payment_no = trade.payments()[0]["payment_no"]
        with transaction.atomic(), pytest.raises(TransactionMisuse):
            submit_payment(payment_no=payment_no)
        with transaction.atomic(), pytest.raises(TransactionMisuse):
            query_attempt(attempt_no=trade.attempts()[0]["attempt_no"])

    def test_of_two_presses_at_once_makes_one_payment(self, channels: Channels):
        channels[0].pay_answers += [PENDING] * 4
        trade = make_trade()

        results = run_together([trade.pay] * 4)

        assert {result.payment_no for result in results} == {trade.payments()[0]["payment_no"]}
        assert [call for call, _ in channels[0].calls] == ["pay"]
        assert len(trade.attempts()) == 1


def details_of(trade: Trade) -> list[dict[str, object]]:
    return rows(
        "SELECT d.* FROM engine_payment_detail d JOIN engine_payment_order p "
        "ON p.payment_no = d.payment_id WHERE p.order_no = %s",
        trade.order_no,
    )


def test_a_payer_token_never_goes_to_a_channel(channels: Channels):
    channels[0].pay_answers.append(PENDING)
    trade = make_trade()
    trade.pay(payer_token="pt_secret-of-the-payer")
    assert "pt_secret" not in str(trade.payments()) + str(trade.attempts())
