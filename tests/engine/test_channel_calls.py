"""Every call to a channel leaves one row, for people: also when what it answered changes nothing."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from django.db import DatabaseError, connection, transaction

from acquiring.contracts import CloseReason
from acquiring.services.closing import close_order
from engine.channels.base import ChannelAnswer, Outcome, PayRequest
from engine.contracts import Cause
from engine.dossier_source import tell_money
from engine.models import ChannelCall
from engine.services.calls import KEPT_OF_CALL, make_call
from engine.services.closing import close_payment
from engine.services.inquiries import query_attempt
from engine.services.outcomes import apply_attempt_outcome
from engine.services.refund_outcomes import apply_refund_outcome
from engine.services.refund_submission import repeat_refund
from tests.clock import VirtualClock
from tests.engine.scripted import UNKNOWN, ScriptedChannel, charged
from tests.engine.test_refunds import NOT_FOUND, REFUSED, given_back, paid_by_channel
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]
PENDING = ChannelAnswer(outcome=Outcome.PENDING, raw='{"status":"PENDING"}')
DECLINED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="declined", raw="no")
CLOSED = ChannelAnswer(outcome=Outcome.CLOSED, raw="closed")


def pending(channels: Channels, *answers: ChannelAnswer) -> Trade:
    """A payment whose channel waits for its payer; ``answers`` are what it says when it is asked."""
    channels[0].pay_answers.append(PENDING)
    channels[0].query_answers.extend(answers)
    trade = make_trade()
    trade.pay()
    channels[0].only_order_no = trade.order_no
    return trade


def attempt_of(trade: Trade) -> str:
    return str(trade.attempts()[0]["attempt_no"])


def kept(trade: Trade) -> list[tuple[str, str, str]]:
    """What is kept of the calls of an order, in the order in which they were answered."""
    found = list(ChannelCall.objects.filter(order_no=trade.order_no).order_by("id"))
    assert [row.answered_at for row in found] == sorted(row.answered_at for row in found)
    return [(row.operation, row.outcome, row.cause) for row in found]


def told(trade: Trade) -> list[tuple[str, str, str]]:
    """What the dossier says of them: the calls that plain successes keep, too."""
    entries = sorted(tell_money(trade.order_no), key=lambda entry: entry.at)
    return [
        (entry.number, entry.data["operation"], entry.data["outcome"])
        for entry in entries
        if entry.kind == "channel_call"
    ]


class TestAttempts:
    def test_inquiries_that_change_nothing_are_all_there(self, channels: Channels):
        trade = pending(channels, UNKNOWN, PENDING, PENDING)
        number = attempt_of(trade)
        for _ in range(3):
            query_attempt(attempt_no=number)
        assert kept(trade) == [
            ("pay", "PENDING", "sync_answer"),
            ("query", "UNKNOWN", "inquiry"),
            ("query", "PENDING", "inquiry"),
            ("query", "PENDING", "inquiry"),
        ]
        assert [(number, *call[:2]) for call in kept(trade)] == told(trade)
        assert channels[0].calls == [(call, number) for call, *_ in kept(trade)]
        row = ChannelCall.objects.filter(attempt_no=number).latest("id")
        assert (row.channel_code, row.refund_no, row.answer) == ("scripted", None, PENDING.raw)
        moved = rows("SELECT actor, request_id FROM engine_transition WHERE object_no = %s", number)
        assert {"actor": row.actor, "request_id": row.request_id} in moved

    def test_a_close_leaves_the_question_before_it_and_itself(self, channels: Channels):
        trade = pending(channels, PENDING)
        channels[0].close_answers.append(CLOSED)
        close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
        assert kept(trade)[1:] == [("query", "PENDING", "close"), ("close", "CLOSED", "close")]
        assert trade.order()["status"] == "CLOSED"

    def test_a_close_that_comes_too_late_is_paid_once_with_both_calls(self, channels: Channels):
        trade = pending(channels, PENDING)
        channels[0].close_answers.append(charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}"))
        progress = close_payment(payment_no=trade.payments()[0]["payment_no"], cause=Cause.CLOSE)
        assert progress.status == "PAID"
        assert kept(trade)[1:] == [("query", "PENDING", "close"), ("close", "SUCCEEDED", "close")]
        assert [call[1:] for call in told(trade)] == [call[:2] for call in kept(trade)]
        assert trade.merchant_balance() == 10_00

    @pytest.mark.parametrize("answer", [DECLINED, UNKNOWN], ids=["declined", "unknown"])
    def test_what_the_sending_came_to_is_there(self, channels: Channels, answer: ChannelAnswer):
        channels[0].pay_answers.append(answer)
        trade = make_trade()
        trade.pay()
        assert kept(trade) == [("pay", answer.outcome, "sync_answer")]

    def test_a_plain_success_has_no_row_and_the_dossier_tells_of_it(self, channels: Channels):
        channels[0].pay_answers.append(charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}"))
        at_once = make_trade()
        assert at_once.pay().status == "PAID"
        assert kept(at_once) == []
        assert told(at_once) == [(attempt_of(at_once), "pay", "SUCCEEDED")]
        later = pending(channels, charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}"))
        query_attempt(attempt_no=attempt_of(later))
        assert kept(later) == [("pay", "PENDING", "sync_answer")]
        assert told(later) == [
            (attempt_of(later), "pay", "PENDING"),
            (attempt_of(later), "query", "SUCCEEDED"),
        ]

    def test_what_was_no_call_of_ours_leaves_none(self, channels: Channels):
        trade = pending(channels)
        success = charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}")
        for answer in (PENDING, success, success):
            apply_attempt_outcome(attempt_no=attempt_of(trade), answer=answer, cause=Cause.CALLBACK)
        assert trade.order()["status"] == "SUCCESS"
        assert kept(trade) == [("pay", "PENDING", "sync_answer")]
        assert told(trade) == [(attempt_of(trade), "pay", "PENDING")]

    def test_an_answer_after_the_end_is_there_and_changes_nothing(self, channels: Channels):
        trade = pending(channels, DECLINED)
        number = attempt_of(trade)
        query_attempt(attempt_no=number)
        before = trade.attempts()
        late = make_call("query", lambda: PENDING, object_no=number)
        applied = apply_attempt_outcome(
            attempt_no=number, answer=late.answer, cause=Cause.INQUIRY, calls=[late]
        )
        assert (applied.effect, trade.attempts()) == ("ignored", before)
        assert kept(trade)[-1] == ("query", "PENDING", "inquiry")

    def test_an_adapters_bug_is_there(self, channels: Channels, monkeypatch: pytest.MonkeyPatch):
        def stumble(_request: PayRequest) -> ChannelAnswer:
            raise ZeroDivisionError

        monkeypatch.setattr(channels[0], "pay", stumble)
        trade = make_trade()
        trade.pay()
        (row,) = ChannelCall.objects.filter(order_no=trade.order_no)
        assert (row.outcome, row.answer) == ("UNKNOWN", "the adapter raised ZeroDivisionError")


class TestRefunds:
    def test_each_sending_and_each_question_is_there(self, channels: Channels):
        trade = paid_by_channel(channels)
        channels[0].refund_answers += [UNKNOWN, UNKNOWN]
        channels[0].query_refund_answers += [UNKNOWN, NOT_FOUND, REFUSED]
        trade.refund(6_00)
        number = trade.refunds()[0]["refund_no"]
        for _ in range(3):
            repeat_refund(refund_no=number)
        assert kept(trade) == [
            ("refund", "UNKNOWN", "sync_answer"),
            ("query_refund", "UNKNOWN", "inquiry"),
            ("query_refund", "NOT_FOUND", "inquiry"),
            ("refund", "UNKNOWN", "inquiry"),
            ("query_refund", "FAILED", "inquiry"),
        ]
        assert channels[0].calls == [(call, number) for call, *_ in kept(trade)]
        assert [call for call in told(trade) if call[0] == number] == [
            (number, *call[:2]) for call in kept(trade)
        ]

    def test_a_success_after_a_question_keeps_both_in_the_one_call(self, channels: Channels):
        trade = paid_by_channel(channels)
        channels[0].refund_answers += [UNKNOWN, given_back(6_00)]
        channels[0].query_refund_answers.append(NOT_FOUND)
        trade.refund(6_00)
        number = trade.refunds()[0]["refund_no"]
        with counting_round_trips() as seen:
            repeat_refund(refund_no=number)
        assert seen.statements[-1] == "take_refund_success"
        assert trade.refunds()[0]["status"] == "SUCCESS"
        assert kept(trade)[1:] == [
            ("query_refund", "NOT_FOUND", "inquiry"),
            ("refund", "SUCCEEDED", "inquiry"),
        ]
        assert len([call for call in told(trade) if call[0] == number]) == 3

    def test_a_plain_success_has_no_row_and_the_dossier_tells_of_it(self, channels: Channels):
        trade = paid_by_channel(channels)
        channels[0].refund_answers.append(given_back(6_00))
        assert trade.refund(6_00)["status"] == "SUCCESS"
        number = trade.refunds()[0]["refund_no"]
        assert kept(trade) == []
        assert told(trade)[1:] == [(number, "refund", "SUCCEEDED")]

    def test_who_has_lost_his_lease_has_asked_all_the_same(self, channels: Channels):
        trade = paid_by_channel(channels)
        trade.refund(6_00)
        number = trade.refunds()[0]["refund_no"]
        before = trade.refunds()
        late = make_call("query_refund", lambda: UNKNOWN, object_no=number)
        applied = apply_refund_outcome(
            refund_no=number,
            answer=late.answer,
            cause=Cause.INQUIRY,
            lease_token="lease_old",
            calls=[late],
        )
        assert (applied.effect, trade.refunds()) == ("ignored", before)
        assert kept(trade)[1:] == [("query_refund", "UNKNOWN", "inquiry")]


def test_no_secret_is_kept_and_not_more_than_people_read(channels: Channels):
    raw = '{"card_token":"tok_abcdefgh","number":"4242424242424242","n":"\x00' + "x" * 600 + '"}'
    trade = pending(channels, replace(PENDING, raw=raw))
    query_attempt(attempt_no=attempt_of(trade))
    row = ChannelCall.objects.filter(order_no=trade.order_no).latest("id")
    assert "tok_abcdefgh" not in row.answer
    assert "4242424242424242" not in row.answer
    assert len(row.answer) == KEPT_OF_CALL
    assert row.answer.endswith("xxx")


def test_the_time_is_when_it_was_answered_on_the_platforms_clock(
    channels: Channels, clock: VirtualClock
):
    trade = pending(channels)
    number = attempt_of(trade)
    clock.advance(3_600)
    call = replace(make_call("query", lambda: PENDING, object_no=number), duration_ms=1_234)
    call = replace(call, answered_s=call.answered_s - 7)
    apply_attempt_outcome(attempt_no=number, answer=PENDING, cause=Cause.INQUIRY, calls=[call])
    row = ChannelCall.objects.filter(attempt_no=number).latest("id")
    heard = trade.attempts()[0]["last_outcome_at"]
    assert 7 <= (heard - row.answered_at).total_seconds() < 8
    assert row.duration_ms == 1_234


def test_keeping_it_costs_no_statement_and_no_round_trip(channels: Channels):
    trade = pending(channels)
    number = attempt_of(trade)
    seen = []
    for is_ours in (False, True, False, True):
        calls = [make_call("query", lambda: PENDING, object_no=number)] if is_ours else []
        with counting_round_trips() as trips:
            apply_attempt_outcome(
                attempt_no=number, answer=PENDING, cause=Cause.INQUIRY, calls=calls
            )
        seen.append((len(trips), trips.on_the_wire))
    assert seen[2] == seen[3], seen
    assert len(kept(trade)) == 3


@pytest.mark.parametrize(
    "change", ["UPDATE engine_channel_call SET answer = ''", "DELETE FROM engine_channel_call"]
)
def test_what_is_kept_stands(channels: Channels, change: str):
    trade = pending(channels)
    before = list(ChannelCall.objects.filter(order_no=trade.order_no).values())
    with (
        pytest.raises(DatabaseError) as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
    assert refused.value.__cause__.sqlstate == "42501"  # type: ignore[union-attr]
    assert list(ChannelCall.objects.filter(order_no=trade.order_no).values()) == before
