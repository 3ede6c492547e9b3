"""Refunds: reserved before the call, split over what was paid, repeated with one number, ended only by certainty."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import override_settings

from acquiring.contracts import CloseReason, Method
from acquiring.models import FeeContract, Merchant
from acquiring.services.closing import close_order
from engine.channels.base import Capability, ChannelAnswer, Notification, Outcome
from engine.contracts import Cause, InsufficientMerchantBalance, RefundNotSupported
from engine.services.callbacks import receive_callback
from engine.services.refund_outcomes import apply_refund_outcome
from engine.services.refund_submission import repeat_due_refunds, submit_refund
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import Conflict, InvalidRequest
from tests.barrier import failures, run_times, run_together
from tests.clock import VirtualClock
from tests.engine.scripted import UNKNOWN, ScriptedChannel, charged
from tests.makers import make_payer, make_payer_token
from tests.slots import no_slot_free
from tests.trading import Trade, balance_of, make_identity, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]

REFUSED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="refund_refused")
NOT_FOUND = ChannelAnswer(outcome=Outcome.NOT_FOUND)
INDEFINITE = [
    UNKNOWN,
    ChannelAnswer(outcome=Outcome.PENDING),
    ChannelAnswer(outcome=Outcome.NOT_SENT),
    NOT_FOUND,
    ChannelAnswer(outcome=Outcome.CLOSED),
]


def given_back(amount: int, *, currency: str = "CNY") -> ChannelAnswer:
    """The institution says it has returned so much."""
    return ChannelAnswer(
        outcome=Outcome.SUCCEEDED,
        channel_trade_no=f"rf-{secrets.token_hex(6)}",
        amount=amount,
        currency=currency,
    )


def paid_by_channel(channels: Channels, *, fee_rate_ppm: int = 0, **changes: Any) -> Trade:
    """An order that the first scripted channel has collected."""
    amount = changes.get("amount", 10_00)
    channels[0].only_order_no = None
    channels[0].pay_answers.append(charged(amount, trade_no=f"ch-{secrets.token_hex(6)}"))
    trade = make_trade(merchant=make_identity(fee_rate_ppm=fee_rate_ppm), **changes)
    assert trade.pay().status == "PAID"
    channels[0].only_order_no = trade.order_no
    channels[0].calls.clear()
    return trade


def paid_by_balance(*, fee_rate_ppm: int = 0, amount: int = 10_00) -> tuple[Trade, str]:
    """An order paid from a payer's balance, and the payer."""
    trade = make_trade(merchant=make_identity(fee_rate_ppm=fee_rate_ppm), amount=amount)
    payer_no = make_payer()
    token = make_payer_token(payer_no=payer_no, merchant_no=trade.merchant.merchant_no)
    assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
    return trade, payer_no


def paid_by_both(channels: Channels, *, fee_rate_ppm: int = 0) -> tuple[Trade, str]:
    """100.00: 30.00 of a balance and 70.00 through the first channel."""
    trade = make_trade(amount=100_00, merchant=make_identity(fee_rate_ppm=fee_rate_ppm))
    payer_no = make_payer()
    token = make_payer_token(payer_no=payer_no, merchant_no=trade.merchant.merchant_no)
    channels[0].pay_answers.append(charged(70_00, trade_no=f"ch-{secrets.token_hex(6)}"))
    result = trade.pay_combined(Method.QR_CODE, payer_token=token, balance_amount=30_00)
    assert result.status == "PAID"
    channels[0].only_order_no = trade.order_no
    channels[0].calls.clear()
    return trade, payer_no


def events_of(refund_no: str) -> list[dict[str, Any]]:
    """The bodies of what the merchant was told about a refund."""
    found = rows(
        "SELECT payload FROM acquiring_merchant_event WHERE object_no = %s ORDER BY event_id",
        refund_no,
    )
    return [json.loads(row["payload"]) for row in found]


def deliveries_of(refund_no: str) -> list[str | None]:
    """Where the news of a refund goes."""
    found = rows(
        "SELECT d.url FROM acquiring_delivery d JOIN acquiring_merchant_event e ON e.event_id = d.event_id"
        " WHERE e.object_no = %s",
        refund_no,
    )
    return [row["url"] for row in found]


def moves_of(refund_no: str) -> list[tuple[str, str, str]]:
    found = rows(
        "SELECT from_status, to_status, cause FROM engine_transition WHERE object_no = %s ORDER BY id",
        refund_no,
    )
    return [(row["from_status"], row["to_status"], row["cause"]) for row in found]


def cases_of(object_no: str) -> list[str]:
    found = rows("SELECT kind FROM engine_case WHERE object_no = %s ORDER BY case_no", object_no)
    return [row["kind"] for row in found]


def counters(trade: Trade) -> tuple[int, int, list[tuple[str | None, int, int]]]:
    """(refunded, on the way) of the order, and (channel, refunded, on the way) of each detail."""
    order = trade.order()
    return (
        order["refunded_amount"],
        order["refunding_amount"],
        [
            (detail["channel_code"], detail["refunded_amount"], detail["refunding_amount"])
            for detail in trade.details()
        ],
    )


def terms(trade: Trade, **columns: int) -> None:
    """Change the merchant's contract."""
    Merchant.objects.filter(pk=trade.merchant.merchant_no).update(**columns)


def make_due(refund_no: str) -> None:
    """Let the janitor find it now, whatever the schedule says."""
    rows(
        "UPDATE engine_refund SET next_try_at = platform_now() WHERE refund_no = %s RETURNING 1",
        refund_no,
    )


@pytest.fixture
def silent(channels: Channels) -> Trade:
    """An order of 10.00 with a refund of 6.00 to which the channel has not answered; 6 fee, pro rata 4."""
    trade = paid_by_channel(channels, fee_rate_ppm=6_000)
    assert trade.refund(6_00)["status"] == "PROCESSING"
    channels[0].calls.clear()
    return trade


class TestThroughAChannel:
    def test_a_refund_is_done_when_the_channel_says_so(self, channels: Channels):
        trade = paid_by_channel(channels, fee_rate_ppm=6_000, notify_url="http://127.0.0.1:9/hook")
        receivable = balance_of("A10:scripted:CNY")
        transit = balance_of("L30:scripted:CNY")
        channels[0].refund_answers.append(given_back(6_00))

        refund = trade.refund(6_00, reason="Cold")

        assert refund == refund | {
            "order_no": trade.order_no,
            "status": "SUCCESS",
            "amount": 6_00,
            "currency": "CNY",
            "reason": "Cold",
            "failure_code": None,
        }
        assert refund["succeeded_at"] is not None
        assert channels[0].calls == [("refund", refund["refund_no"])]
        assert counters(trade) == (6_00, 0, [("scripted", 6_00, 0)])
        assert trade.merchant_balance() == 4_00 - 6 + 4
        assert balance_of("A10:scripted:CNY") == receivable - 6_00
        assert balance_of("L30:scripted:CNY") == transit
        assert moves_of(refund["refund_no"]) == [
            ("INIT", "PROCESSING", "api"),
            ("PROCESSING", "SUCCESS", "sync_answer"),
        ]
        (event,) = events_of(refund["refund_no"])
        assert (event["type"], event["data"]) == ("refund.success", refund)
        assert deliveries_of(refund["refund_no"]) == ["http://127.0.0.1:9/hook"]
        assert trade.order()["status"] == "SUCCESS"

    def test_its_money_is_out_of_the_merchants_reach_while_it_is_on_its_way(self, silent: Trade):
        assert counters(silent) == (0, 6_00, [("scripted", 0, 6_00)])
        assert silent.merchant_balance() == 4_00 - 6 + 4
        (row,) = silent.refunds()
        assert (row["source"], row["returned_fee"], row["try_count"]) == ("L20", 4, 1)
        assert row["last_outcome"] == "UNKNOWN"
        assert row["next_try_at"] is not None
        assert events_of(row["refund_no"]) == []

    def test_a_refusal_gives_everything_back_to_the_merchant(
        self, channels: Channels, silent: Trade
    ):
        (row,) = silent.refunds()
        transit = balance_of("L30:scripted:CNY")

        applied = apply_refund_outcome(
            refund_no=row["refund_no"], answer=REFUSED, cause=Cause.INQUIRY
        )

        assert applied.effect == "failed"
        assert counters(silent) == (0, 0, [("scripted", 0, 0)])
        assert silent.merchant_balance() == 10_00 - 6
        assert balance_of("L30:scripted:CNY") == transit - 6_00
        (event,) = events_of(row["refund_no"])
        assert event["type"] == "refund.failed"
        assert event["data"]["status"] == "FAILED"
        assert event["data"]["failure_code"] == "refund_refused"
        (row,) = silent.refunds()
        assert row["next_try_at"] is None
        channels[0].refund_answers.append(given_back(10_00))
        assert silent.refund(10_00)["status"] == "SUCCESS"
        assert silent.merchant_balance() == 0

    @pytest.mark.parametrize("answer", INDEFINITE, ids=lambda answer: answer.outcome)
    def test_whatever_is_not_certain_keeps_it_on_its_way(
        self, channels: Channels, silent: Trade, answer: ChannelAnswer
    ):
        (before,) = silent.refunds()
        applied = apply_refund_outcome(
            refund_no=before["refund_no"], answer=answer, cause=Cause.INQUIRY
        )
        (after,) = silent.refunds()
        assert applied.effect == "waiting"
        assert (after["status"], after["try_count"]) == ("PROCESSING", 2)
        assert after["last_outcome"] == answer.outcome
        assert after["next_try_at"] > before["created_at"]
        assert counters(silent) == (0, 6_00, [("scripted", 0, 6_00)])
        assert events_of(before["refund_no"]) == []

    def test_what_was_heard_is_kept_without_secrets(self, silent: Trade):
        (row,) = silent.refunds()
        raw = "token=tok_abcdefgh, to 4242424242424242, \x00 busy"
        apply_refund_outcome(
            refund_no=row["refund_no"],
            answer=ChannelAnswer(outcome=Outcome.PENDING, raw=raw),
            cause=Cause.CALLBACK,
        )
        kept = silent.refunds()[0]["last_answer"]
        assert kept.endswith("busy")
        assert "abcdefgh" not in kept
        assert "4242" not in kept

    def test_a_case_about_its_amount_ends_when_the_channel_names_ours(self, silent: Trade):
        (row,) = silent.refunds()
        number = row["refund_no"]
        for amount, states in ((5_99, ["OPEN"]), (6_00, ["RESOLVED"])):
            answer = given_back(amount)
            apply_refund_outcome(refund_no=number, answer=answer, cause=Cause.INQUIRY)
            found = rows("SELECT status FROM engine_case WHERE object_no = %s", number)
            assert [case["status"] for case in found] == states
        assert silent.refunds()[0]["status"] == "SUCCESS"

    @pytest.mark.parametrize("said", [given_back(5_99), given_back(6_00, currency="USD")])
    def test_another_amount_is_for_people_and_ends_nothing(
        self, silent: Trade, said: ChannelAnswer
    ):
        (row,) = silent.refunds()
        applied = apply_refund_outcome(refund_no=row["refund_no"], answer=said, cause=Cause.INQUIRY)
        assert applied.effect == "quarantined"
        assert cases_of(row["refund_no"]) == ["refund_amount_mismatch"]
        assert silent.refunds()[0]["status"] == "PROCESSING"
        assert silent.refunds()[0]["next_try_at"] is not None
        assert counters(silent) == (0, 6_00, [("scripted", 0, 6_00)])

    def test_answers_from_three_sides_at_once_have_one_effect(self, channels: Channels):
        for _round in range(5):
            trade = paid_by_channel(channels, fee_rate_ppm=6_000)
            number = trade.refund(6_00)["refund_no"]
            said = given_back(6_00)

            def from_side(cause: Cause, no: str = number, said: ChannelAnswer = said) -> str:
                return apply_refund_outcome(refund_no=no, answer=said, cause=cause).effect

            effects = run_together(
                [
                    lambda: from_side(Cause.CALLBACK),
                    lambda: from_side(Cause.SYNC_ANSWER),
                    lambda: from_side(Cause.INQUIRY),
                ]
            )
            assert sorted(effects) == ["refunded", "repeated", "repeated"]
            assert counters(trade) == (6_00, 0, [("scripted", 6_00, 0)])
            assert len(events_of(number)) == 1

    @pytest.mark.parametrize(
        ("first", "then", "says"),
        [(given_back(6_00), REFUSED, "SUCCESS"), (REFUSED, given_back(6_00), "FAILED")],
    )
    def test_a_channel_that_contradicts_itself_is_for_people(
        self, silent: Trade, first: ChannelAnswer, then: ChannelAnswer, says: str
    ):
        (row,) = silent.refunds()
        apply_refund_outcome(refund_no=row["refund_no"], answer=first, cause=Cause.INQUIRY)
        before = silent.footprint()
        for late in (then, *INDEFINITE):
            apply_refund_outcome(refund_no=row["refund_no"], answer=late, cause=Cause.CALLBACK)
        assert silent.footprint() == before
        assert silent.refunds()[0]["status"] == says
        assert cases_of(row["refund_no"]) == ["refund_contradicted"]

    def test_a_channel_that_cannot_refund_is_asked_for_nothing(
        self, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        trade = paid_by_channel(channels)
        before = trade.footprint()
        monkeypatch.setattr(channels[0], "capabilities", frozenset({Capability.QR_CODE}))
        with pytest.raises(RefundNotSupported):
            trade.refund(1)
        assert trade.footprint() == before
        assert channels[0].calls == []

    def test_without_a_free_slot_it_is_left_to_a_worker(self, channels: Channels):
        trade = paid_by_channel(channels)
        channels[0].query_refund_answers.append(NOT_FOUND)
        channels[0].refund_answers.append(given_back(6_00))
        with no_slot_free():
            assert trade.refund(6_00)["status"] == "PROCESSING"
        assert channels[0].calls == []
        repeat_due_refunds(batch_size=1_000)
        assert [call for call, _ in channels[0].calls] == ["query_refund", "refund"]
        assert trade.refunds()[0]["status"] == "SUCCESS"


class TestRepeating:
    def test_the_janitor_asks_before_it_sends_again_under_the_same_number(
        self, channels: Channels, silent: Trade
    ):
        number = silent.refunds()[0]["refund_no"]
        channels[0].query_refund_answers += [UNKNOWN, NOT_FOUND, given_back(6_00)]
        for _round in range(3):
            make_due(number)
            repeat_due_refunds(batch_size=1_000)
        assert channels[0].calls == [
            ("query_refund", number),
            ("query_refund", number),
            ("refund", number),
            ("query_refund", number),
        ]
        (row,) = silent.refunds()
        assert (row["status"], row["try_count"], row["lease_token"]) == ("SUCCESS", 3, None)
        assert moves_of(number)[-1] == ("PROCESSING", "SUCCESS", "inquiry")

    def test_it_comes_again_by_its_schedule_and_for_ever(
        self, channels: Channels, clock: VirtualClock
    ):
        with override_settings(INQUIRY_SCHEDULE_S=(3, 10, 100)):
            trade = paid_by_channel(channels)
            number = trade.refund(6_00)["refund_no"]
            waits = []
            for _round in range(6):
                (row,) = trade.refunds()
                waits.append(round((row["next_try_at"] - clock.now()).total_seconds()))
                assert row["status"] == "PROCESSING"
                clock.advance(waits[-1] + 1)
                repeat_due_refunds(batch_size=1_000)
        assert waits == pytest.approx([3, 10, 100, 100, 100, 100], abs=2)
        assert cases_of(number) == ["refund_schedule_spent"]
        assert {no for _, no in channels[0].calls} == {number}
        apply_refund_outcome(refund_no=number, answer=given_back(6_00), cause=Cause.CALLBACK)
        (case,) = rows("SELECT status FROM engine_case WHERE object_no = %s", number)
        assert case["status"] == "RESOLVED"

    def test_two_janitors_at_once_ask_once(self, channels: Channels, silent: Trade):
        make_due(silent.refunds()[0]["refund_no"])
        run_times(2, lambda: repeat_due_refunds(batch_size=1_000))
        assert [call for call, _ in channels[0].calls] == ["query_refund"]

    def test_a_refund_under_way_is_not_sent_by_a_second_process(
        self, channels: Channels, silent: Trade
    ):
        number = silent.refunds()[0]["refund_no"]
        rows(
            "UPDATE engine_refund SET lease_token = 'lease_x', leased_until = platform_now() + interval '60 s'"
            " WHERE refund_no = %s RETURNING 1",
            number,
        )
        make_due(number)
        submit_refund(refund_no=number)
        repeat_due_refunds(batch_size=1_000)
        assert channels[0].calls == []

    def test_who_wakes_up_after_its_lease_writes_no_guess_but_brings_certainty(self, silent: Trade):
        number = silent.refunds()[0]["refund_no"]
        rows(
            "UPDATE engine_refund SET lease_token = 'lease_new', leased_until = platform_now() + interval '60 s'"
            " WHERE refund_no = %s RETURNING 1",
            number,
        )
        before = silent.refunds()
        late = {"refund_no": number, "cause": Cause.INQUIRY, "lease_token": "lease_old"}
        assert apply_refund_outcome(answer=UNKNOWN, **late).effect == "ignored"
        assert silent.refunds() == before
        assert apply_refund_outcome(answer=given_back(6_00), **late).effect == "refunded"

    def test_a_process_that_died_after_accepting_is_followed_by_the_janitor(
        self, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        trade = paid_by_channel(channels)

        def die(**_: object) -> None:
            raise SystemExit

        with monkeypatch.context() as patched:
            patched.setattr("engine.api.submit_refund", die)
            with pytest.raises(SystemExit):
                trade.refund(6_00)
        assert channels[0].calls == []
        assert trade.refunds()[0]["status"] == "PROCESSING"
        make_due(trade.refunds()[0]["refund_no"])
        channels[0].query_refund_answers.append(NOT_FOUND)
        channels[0].refund_answers.append(given_back(6_00))
        repeat_due_refunds(batch_size=1_000)
        assert trade.refunds()[0]["status"] == "SUCCESS"


class TestToABalance:
    def test_it_is_done_in_the_transaction_that_accepts_it(self):
        trade, payer_no = paid_by_balance(fee_rate_ppm=6_000)
        before = balance_of(f"L10:{payer_no}:CNY")

        refund = trade.refund(2_50)

        assert refund["status"] == "SUCCESS"
        assert balance_of(f"L10:{payer_no}:CNY") == before + 2_50
        assert trade.merchant_balance() == 7_50 - 6 + 2
        assert counters(trade) == (2_50, 0, [(None, 2_50, 0)])
        (event,) = events_of(refund["refund_no"])
        assert (event["type"], event["data"]) == ("refund.success", refund)
        assert [trade.refund(2_50)["status"], trade.refund(5_00)["status"]] == ["SUCCESS"] * 2
        assert trade.merchant_balance() == 0
        assert sum(row["returned_fee"] for row in trade.refunds()) == 6

    def test_the_fee_stays_with_us_when_the_contract_says_so(self):
        trade, _ = paid_by_balance(fee_rate_ppm=100_000)
        FeeContract.objects.create(
            contract_no=numbers.new_number("fee"),
            merchant_id=trade.merchant.merchant_no,
            rate_ppm=100_000,
            returned_on_refund=False,
            valid_from=database_now(),
        )
        again = make_trade(merchant=trade.merchant)
        token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
        again.pay(Method.BALANCE, payer_token=token)
        assert trade.merchant_balance() == 18_00

        assert again.refund(4_00)["status"] == "SUCCESS"
        assert (again.refunds()[0]["returned_fee"], trade.merchant_balance()) == (0, 14_00)
        assert trade.refund(4_00)["status"] == "SUCCESS"  # its own contract was the first one
        assert (trade.refunds()[0]["returned_fee"], trade.merchant_balance()) == (40, 10_40)


class TestOfBoth:
    def test_the_channel_gives_first_and_the_balance_the_rest(self, channels: Channels):
        trade, payer_no = paid_by_both(channels)
        payer = balance_of(f"L10:{payer_no}:CNY")
        channels[0].refund_answers += [given_back(60_00), given_back(10_00)]

        assert trade.refund(60_00)["status"] == "SUCCESS"
        assert counters(trade)[2] == [(None, 0, 0), ("scripted", 60_00, 0)]
        assert trade.refund(25_00)["status"] == "SUCCESS"
        assert counters(trade)[2] == [(None, 15_00, 0), ("scripted", 70_00, 0)]
        assert trade.refund(15_00)["status"] == "SUCCESS"

        assert counters(trade) == (100_00, 0, [(None, 30_00, 0), ("scripted", 70_00, 0)])
        assert balance_of(f"L10:{payer_no}:CNY") == payer + 30_00
        assert trade.merchant_balance() == 0
        parts = [(row["external_amount"], row["balance_amount"]) for row in trade.refunds()]
        assert parts == [(60_00, 0), (10_00, 15_00), (0, 15_00)]
        assert [call for call, _ in channels[0].calls] == ["refund", "refund"]

    def test_the_balance_has_nothing_before_the_channel_has_given(self, channels: Channels):
        trade, payer_no = paid_by_both(channels)
        payer = balance_of(f"L10:{payer_no}:CNY")
        number = trade.refund(100_00)["refund_no"]
        assert balance_of(f"L10:{payer_no}:CNY") == payer
        assert counters(trade)[2] == [(None, 0, 30_00), ("scripted", 0, 70_00)]

        apply_refund_outcome(refund_no=number, answer=given_back(70_00), cause=Cause.INQUIRY)

        assert balance_of(f"L10:{payer_no}:CNY") == payer + 30_00
        assert counters(trade)[2] == [(None, 30_00, 0), ("scripted", 70_00, 0)]

    def test_a_refusal_of_the_channel_fails_the_whole_refund(self, channels: Channels):
        trade, payer_no = paid_by_both(channels, fee_rate_ppm=6_000)
        payer, merchant = balance_of(f"L10:{payer_no}:CNY"), trade.merchant_balance()
        internal = balance_of("L30:internal:CNY")
        channels[0].refund_answers.append(REFUSED)

        assert trade.refund(100_00)["status"] == "FAILED"

        assert (balance_of(f"L10:{payer_no}:CNY"), trade.merchant_balance()) == (payer, merchant)
        assert balance_of("L30:internal:CNY") == internal
        assert counters(trade) == (0, 0, [(None, 0, 0), ("scripted", 0, 0)])


class TestRefusals:
    """Nothing has happened: the whole footprint stays, and no channel was called."""

    def refused(self, trade: Trade, amount: int = 1_00, **changes: Any) -> str:
        before = trade.footprint()
        with pytest.raises(Conflict) as refusal:
            trade.refund(amount, **changes)
        assert trade.footprint() == before
        return refusal.value.code

    def test_more_than_is_left(self, channels: Channels):
        trade = paid_by_channel(channels)
        assert self.refused(trade, 10_01) == "refund_exceeds_paid"
        channels[0].refund_answers.append(given_back(4_00))
        trade.refund(4_00)
        trade.refund(3_00)  # on its way
        assert self.refused(trade, 3_01) == "refund_exceeds_paid"

    def test_what_is_not_paid(self):
        trade = make_trade()
        assert self.refused(trade) == "order_not_paid"
        close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
        assert self.refused(trade) == "order_not_paid"

    def test_more_refunds_than_the_contract_allows(self):
        trade, _ = paid_by_balance()
        terms(trade, max_refunds_per_order=2)
        trade.refund(1_00)
        trade.refund(1_00)
        assert self.refused(trade) == "refund_limit_reached"

    def test_one_that_failed_leaves_its_place(self, channels: Channels):
        trade = paid_by_channel(channels)
        terms(trade, max_refunds_per_order=1)
        channels[0].refund_answers += [REFUSED, given_back(1_00)]
        assert trade.refund(1_00)["status"] == "FAILED"
        assert trade.refund(1_00)["status"] == "SUCCESS"
        assert self.refused(trade) == "refund_limit_reached"

    def test_after_the_window(self, clock: VirtualClock):
        trade, _ = paid_by_balance()
        terms(trade, refund_window_days=2)
        clock.advance(2 * 86_400 - 60)
        assert trade.refund(1_00)["status"] == "SUCCESS"
        clock.advance(60)
        assert self.refused(trade) == "refund_window_over"

    def test_a_merchant_without_the_money(self):
        trade, _ = paid_by_balance(fee_rate_ppm=6_000)
        FeeContract.objects.create(
            contract_no=numbers.new_number("fee"),
            merchant_id=trade.merchant.merchant_no,
            rate_ppm=6_000,
            returned_on_refund=False,
            valid_from=database_now(),
        )
        assert trade.refund(10_00)["status"] == "SUCCESS"
        assert trade.merchant_balance() == 0
        second = make_trade(merchant=trade.merchant)
        token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
        second.pay(Method.BALANCE, payer_token=token)
        assert trade.merchant_balance() == 10_00 - 6
        before = second.footprint()
        with pytest.raises(InsufficientMerchantBalance):
            second.refund(10_00)
        assert second.footprint() == before
        assert second.refund(9_94)["status"] == "SUCCESS"
        assert trade.merchant_balance() == 0

    @pytest.mark.parametrize(
        ("field", "change"),
        [
            ("amount", {"amount": 3_00}),
            ("reason", {"reason": "Another"}),
        ],
    )
    def test_a_number_used_for_something_else(self, field: str, change: dict[str, Any]):
        trade, _ = paid_by_balance()
        trade.refund(2_00, number=(number := f"R-{secrets.token_hex(6)}"), reason="Cold")
        before = trade.footprint()
        asked = {"amount": 2_00, "reason": "Cold"} | change
        with pytest.raises(Conflict) as refusal:
            trade.refund(number=number, **asked)
        assert refusal.value.code == "refund_conflict"
        assert [error.field for error in refusal.value.errors] == [field]
        assert trade.footprint() == before

    def test_two_order_numbers_that_do_not_belong_together(self):
        trade, _ = paid_by_balance()
        number = trade.refund(2_00)["merchant_refund_no"]
        before = trade.footprint()
        with pytest.raises(InvalidRequest):
            trade.refund(2_00, number=number, merchant_order_no="other")
        assert trade.footprint() == before

    def test_a_number_used_for_another_order(self):
        first, _ = paid_by_balance()
        second = make_trade(merchant=first.merchant)
        number = first.refund(2_00)["merchant_refund_no"]
        before = second.footprint()
        with pytest.raises(Conflict) as refusal:
            second.refund(2_00, number=number)
        assert [error.field for error in refusal.value.errors] == ["order_no"]
        assert second.footprint() == before


class TestRaces:
    def test_sixteen_refunds_of_sixty_percent_leave_exactly_one(self, channels: Channels):
        trade = paid_by_channel(channels)
        outcomes = run_times(16, lambda: trade.refund(6_00))
        refused = failures(outcomes)
        assert {getattr(error, "code", repr(error)) for error in refused} == {"refund_exceeds_paid"}
        assert (len(outcomes) - len(refused), len(trade.refunds())) == (1, 1)
        assert counters(trade) == (0, 6_00, [("scripted", 0, 6_00)])
        assert trade.merchant_balance() == 4_00

    def test_sixteen_refunds_of_sixty_percent_to_a_balance_leave_exactly_one(self):
        trade, payer_no = paid_by_balance()
        payer = balance_of(f"L10:{payer_no}:CNY")
        outcomes = run_times(16, lambda: trade.refund(6_00))
        assert len(failures(outcomes)) == 15
        assert balance_of(f"L10:{payer_no}:CNY") == payer + 6_00
        assert counters(trade) == (6_00, 0, [(None, 6_00, 0)])

    def test_one_number_sixteen_times_at_once_is_one_refund(self, channels: Channels):
        trade = paid_by_channel(channels)
        channels[0].refund_answers.append(given_back(2_00))
        outcomes = run_times(16, lambda: trade.refund(2_00, number="R-1"))
        assert failures(outcomes) == []
        assert len({outcome["refund_no"] for outcome in outcomes}) == 1
        assert channels[0].calls == [("refund", outcomes[0]["refund_no"])]
        assert counters(trade) == (2_00, 0, [("scripted", 2_00, 0)])

    def test_one_number_for_two_orders_at_once_is_one_refund(self):
        for _round in range(5):
            first, _ = paid_by_balance()
            second = make_trade(merchant=first.merchant)
            token = make_payer_token(payer_no=make_payer(), merchant_no=first.merchant.merchant_no)
            second.pay(Method.BALANCE, payer_token=token)
            outcomes = run_together(
                [partial(trade.refund, 2_00, number="R-1") for trade in (first, second)]
            )
            (refused,) = failures(outcomes)
            assert getattr(refused, "code", repr(refused)) == "refund_conflict"
            assert len(first.refunds()) + len(second.refunds()) == 1
            assert first.merchant_balance() == 18_00


class TestCallbacks:
    def call_back(
        self,
        channels: Channels,
        monkeypatch: pytest.MonkeyPatch,
        refund_no: str,
        answer: ChannelAnswer,
        *,
        account: str = "acct-1",
        channel: int = 0,
    ) -> dict[str, Any]:
        said = Notification(answer=answer, refund_no=refund_no, merchant_account=account)
        monkeypatch.setattr(channels[channel], "parse_notification", lambda **_: said)
        marker = secrets.token_hex(8)
        with suppress(InvalidRequest):
            receive_callback(
                channel_code=channels[channel].code, headers={"X-Marker": marker}, body=b"{}"
            )
        (stored,) = rows(
            "SELECT result, refund_no, attempt_no FROM engine_channel_callback"
            " WHERE headers ->> 'X-Marker' = %s",
            marker,
        )
        return stored

    def test_goes_through_the_same_funnel_and_repeats_answer_success(
        self, channels: Channels, silent: Trade, monkeypatch: pytest.MonkeyPatch
    ):
        number = silent.refunds()[0]["refund_no"]
        for _time in range(2):
            stored = self.call_back(channels, monkeypatch, number, given_back(6_00))
            assert stored == {"result": "APPLIED", "refund_no": number, "attempt_no": None}
        assert counters(silent) == (6_00, 0, [("scripted", 6_00, 0)])
        assert len(events_of(number)) == 1

    @pytest.mark.parametrize(
        ("change", "result"),
        [
            ({"account": "somebody-else"}, "QUARANTINED"),
            ({"channel": 1}, "UNMATCHED"),
            ({"answer": given_back(5_99)}, "QUARANTINED"),
        ],
        ids=["account", "channel", "amount"],
    )
    def test_one_that_does_not_fit_moves_no_money(
        self,
        channels: Channels,
        silent: Trade,
        monkeypatch: pytest.MonkeyPatch,
        change: dict[str, Any],
        result: str,
    ):
        number, before = silent.refunds()[0]["refund_no"], counters(silent)
        said = {"answer": given_back(6_00)} | change
        stored = self.call_back(channels, monkeypatch, number, **said)
        assert stored["result"] == result
        assert counters(silent) == before
        assert silent.refunds()[0]["status"] == "PROCESSING"
        assert events_of(number) == []


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("UPDATE acquiring_trade_order SET refunded_amount = 0 WHERE order_no = %s", "order_no"),
        ("UPDATE engine_payment_detail SET refunded_amount = 0 WHERE detail_no = %s", "detail_no"),
    ],
)
def test_what_was_refunded_is_never_forgotten(channels: Channels, statement: str, key: str):
    trade = paid_by_channel(channels)
    channels[0].refund_answers.append(given_back(4_00))
    assert trade.refund(4_00)["status"] == "SUCCESS"
    number = {"order_no": trade.order_no, "detail_no": trade.details()[0]["detail_no"]}[key]
    before = trade.footprint()
    with pytest.raises(DatabaseError, match="only grows"), connection.cursor() as cursor:
        cursor.execute(statement, [number])
    assert trade.footprint() == before
