"""What an attempt remembers of its channel, who may decide on another amount, and when channels are asked."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from acquiring.contracts import CloseReason
from acquiring.services.closing import close_order
from engine.channels.base import ChannelAnswer, Outcome, PayerActionData, PayRequest
from engine.contracts import Cause
from engine.services.closing import close_payment
from engine.services.inquiries import FORWARD_EVERY_S, bring_inquiry_forward, query_attempt
from engine.services.outcomes import apply_attempt_outcome
from engine.services.submission import EXPIRES_EARLIER
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.trading import Trade, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]
PENDING = ChannelAnswer(
    outcome=Outcome.PENDING,
    action=PayerActionData(type="qr_code", qr_content="qr://x"),
    raw='{"status":"PENDING"}',
)


def _pending(channels: Channels) -> Trade:
    channels[0].pay_answers.append(PENDING)
    trade = make_trade()
    trade.pay()
    return trade


def _heard(trade: Trade) -> tuple[str, str, str]:
    (attempt,) = trade.attempts()
    assert attempt["last_outcome_at"] is not None
    return attempt["last_outcome"], attempt["last_outcome_cause"], attempt["last_answer"]


class TestLastHeard:
    def test_the_answer_to_the_pay_call_is_kept(self, channels: Channels):
        assert _heard(_pending(channels)) == ("PENDING", "sync_answer", '{"status":"PENDING"}')

    def test_why_it_is_unknown_can_be_read(self, channels: Channels):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        channels[0].query_answers.append(ChannelAnswer(Outcome.UNKNOWN, raw="ReadTimeout"))
        query_attempt(attempt_no=attempt["attempt_no"])
        assert trade.attempts()[0]["status"] == "UNKNOWN"
        assert _heard(trade) == ("UNKNOWN", "inquiry", "ReadTimeout")

    def test_an_adapters_bug_is_named(self, channels: Channels, monkeypatch: pytest.MonkeyPatch):
        def stumble(_request: PayRequest) -> ChannelAnswer:
            raise ZeroDivisionError

        monkeypatch.setattr(channels[0], "pay", stumble)
        trade = make_trade()
        trade.pay()
        assert _heard(trade) == (
            "UNKNOWN",
            "sync_answer",
            "the adapter raised ZeroDivisionError",
        )

    def test_secrets_are_blotted_out(self, channels: Channels):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        raw = '{"card_token":"tok_abcdefgh","number":"4242424242424242","note":"n"}'
        apply_attempt_outcome(
            attempt_no=attempt["attempt_no"],
            answer=ChannelAnswer(Outcome.PENDING, raw=raw),
            cause=Cause.CALLBACK,
        )
        kept = _heard(trade)[2]
        assert "tok_abcdefgh" not in kept
        assert "4242424242424242" not in kept
        assert '"note":"n"' in kept

    def test_what_no_column_takes_loses_no_money(self, channels: Channels):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"],
            answer=replace(charged(10_00, trade_no=secrets.token_hex(8)), raw="a\x00b\ud800c"),
            cause=Cause.CALLBACK,
        )
        assert applied.effect == "paid"
        assert _heard(trade)[2] == "a\ufffdb\ufffdc"

    @pytest.mark.parametrize(
        "last",
        [
            ChannelAnswer(Outcome.FAILED, failure_code="declined", raw="no"),
            ChannelAnswer(Outcome.CLOSED, raw="closed"),
            charged(10_00, trade_no="x"),
            charged(9_99, trade_no="x"),
        ],
        ids=["declined", "closed", "paid", "another amount"],
    )
    def test_the_answer_that_ends_it_is_kept_and_later_ones_are_not(
        self, channels: Channels, last: ChannelAnswer
    ):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        if last.channel_trade_no:
            last = charged(last.amount or 0, trade_no=f"ch-{secrets.token_hex(6)}")
        channels[0].query_answers.append(last)
        query_attempt(attempt_no=attempt["attempt_no"])
        assert _heard(trade) == (last.outcome, "inquiry", last.raw)
        before = trade.attempts()
        late = ChannelAnswer(Outcome.FAILED, failure_code="declined", raw="too late")
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=late, cause=Cause.CALLBACK
        )
        assert applied.effect == "ignored"
        assert trade.attempts() == before

    def test_a_success_that_cannot_be_read_leaves_its_text(self, channels: Channels):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        channels[0].query_answers.append(ChannelAnswer(Outcome.SUCCEEDED, raw="paid, somehow"))
        query_attempt(attempt_no=attempt["attempt_no"])
        assert _heard(trade) == ("UNKNOWN", "inquiry", "paid, somehow")


class TestAnotherAmount:
    """An institution's word unasked raises suspicion; its answer to any question of ours decides."""

    @pytest.mark.parametrize(
        "cause", [Cause.INQUIRY, Cause.CLOSE, Cause.EXPIRY, Cause.CASHIER, Cause.OPERATOR]
    )
    def test_an_answer_to_our_own_question_decides(self, channels: Channels, cause: Cause):
        trade = _pending(channels)
        (payment,) = trade.payments()
        short = charged(9_99, trade_no=f"ch-{secrets.token_hex(6)}")
        channels[0].query_answers.append(short)
        progress = close_payment(payment_no=payment["payment_no"], cause=cause)
        assert (progress.status, progress.failure_code) == ("FAILED", "amount_mismatch")
        assert [row["amount"] for row in trade.late_money()] == [9_99]
        assert trade.merchant_balance() == 0
        assert _heard(trade)[1] == cause

    @pytest.mark.parametrize("cause", [Cause.SYNC_ANSWER, Cause.CALLBACK])
    def test_anything_else_only_raises_suspicion(self, channels: Channels, cause: Cause):
        trade = _pending(channels)
        (attempt,) = trade.attempts()
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"],
            answer=charged(9_99, trade_no=f"ch-{secrets.token_hex(6)}", currency="CNY"),
            cause=cause,
        )
        assert applied.effect == "quarantined"
        assert trade.order()["status"] == "PAYING"
        assert trade.late_money() == []
        assert _heard(trade)[:2] == ("SUCCEEDED", cause)


def test_a_close_tells_the_history_who_wanted_it(channels: Channels):
    trade = _pending(channels)
    channels[0].query_answers.append(PENDING)
    channels[0].close_answers.append(ChannelAnswer(Outcome.CLOSED))
    close_order(order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api")
    assert trade.order()["status"] == "CLOSED"
    (attempt,) = trade.attempts()
    moves = rows(
        "SELECT to_status, cause FROM engine_transition WHERE object_no = %s ORDER BY id",
        attempt["attempt_no"],
    )
    assert moves[-1] == {"to_status": "CLOSED", "cause": "close"}
    assert attempt["query_count"] == 0  # the janitor's own count: a close is none of its inquiries


def test_the_channel_stops_before_we_do(channels: Channels, monkeypatch: pytest.MonkeyPatch):
    asked: list[PayRequest] = []

    def note(request: PayRequest) -> ChannelAnswer:
        asked.append(request)
        return PENDING

    monkeypatch.setattr(channels[0], "pay", note)
    trade = make_trade(expires_in=600)
    trade.pay()
    (request,) = asked
    assert timedelta(seconds=10) == EXPIRES_EARLIER
    ours = trade.order()["expires_at"]
    assert abs(ours - request.expires_at - EXPIRES_EARLIER) < timedelta(milliseconds=2)
    assert request.expires_at > datetime.now(UTC)


def test_looking_brings_the_inquiry_forward_at_most_every_five_seconds(
    channels: Channels, clock: VirtualClock
):
    trade = _pending(channels)
    (payment,) = trade.payments()
    payment_no = payment["payment_no"]

    def due_now() -> bool:
        (attempt,) = rows(
            "SELECT next_query_at <= platform_now() AS due FROM engine_channel_attempt"
            " WHERE payment_no = %s",
            payment_no,
        )
        return bool(attempt["due"])

    def look_and_ask() -> bool:
        """A look; when it makes the inquiry due, the channel is asked (still PENDING)."""
        bring_inquiry_forward(payment_no=payment_no)
        if not due_now():
            return False
        channels[0].query_answers.append(PENDING)
        query_attempt(attempt_no=trade.attempts()[0]["attempt_no"])
        return True

    # The schedule itself is kept out of the way: the next inquiry is an hour off.
    for _ in range(9):
        channels[0].query_answers.append(PENDING)
        query_attempt(attempt_no=trade.attempts()[0]["attempt_no"])
    assert not look_and_ask()  # just made
    clock.advance(FORWARD_EVERY_S + 0.5)
    assert look_and_ask()
    assert not look_and_ask()
    clock.advance(FORWARD_EVERY_S - 1)
    assert not look_and_ask()
    clock.advance(1.5)
    assert look_and_ask()
    before = trade.attempts()
    bring_inquiry_forward(payment_no="pay_nobody")
    assert trade.attempts() == before
