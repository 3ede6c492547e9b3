"""Failover as a property: over all sequences of answers the next channel is tried after exactly two of them.

NOT_SENT, seen by the process that tried to send, and a decline that the channel's map calls retriable. After
anything else, whoever says it and however often, no other channel ever hears of the payment.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.contracts import CloseReason
from acquiring.services.closing import _begin_close
from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.services.closing import _mark_closing
from engine.services.outcomes import apply_attempt_outcome
from engine.services.submission import submit_attempt
from tests.engine.scripted import ScriptedChannel, charged
from tests.environment import LONG
from tests.trading import Trade, make_identity, make_trade

Channels = tuple[ScriptedChannel, ScriptedChannel]
Said = tuple[str, Cause]

WORDS = (
    *("SUCCEEDED", "FAILED", "RETRIABLE", "PENDING"),
    *("UNKNOWN", "NOT_FOUND", "NOT_SENT", "CLOSED"),
)
LATER = (Cause.CALLBACK, Cause.INQUIRY, Cause.CLOSE)


def answer(word: str) -> ChannelAnswer:
    """What a channel says."""
    if word == "SUCCEEDED":
        return charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}")
    if word == "RETRIABLE":
        return ChannelAnswer(outcome=Outcome.FAILED, failure_code="issuer_down", retriable=True)
    code = "declined" if word == "FAILED" else None
    return ChannelAnswer(outcome=Outcome(word), failure_code=code)


def allows_failover(said: Said) -> bool:
    """The rule, in one line."""
    return said[0] == "RETRIABLE" or said == ("NOT_SENT", Cause.SYNC_ANSWER)


def play(channels: Channels, first: str, second: str, later: Sequence[Said], trade: Trade) -> None:
    """Pay while the channels answer so, then let the rest be said about whichever attempt is the last."""
    for channel, word in zip(channels, (first, second), strict=True):
        channel.forget()
        channel.only_order_no = trade.order_no
        channel.pay_answers.append(answer(word))
    trade.pay()
    heard = [(first, Cause.SYNC_ANSWER)]
    for word, cause in later:
        (*earlier, attempt) = trade.attempts()
        if attempt["live_detail_no"] is not None and not earlier:
            heard.append((word, cause))
        applied = apply_attempt_outcome(
            attempt_no=attempt["attempt_no"], answer=answer(word), cause=cause
        )
        if applied.failover_attempt_no is not None:
            submit_attempt(attempt_no=applied.failover_attempt_no)
    check(channels, trade, heard, second)


def check(channels: Channels, trade: Trade, heard: list[Said], second: str) -> None:
    """``heard`` is all that was said while the first attempt was live, the last of it perhaps its end."""
    attempts, order = trade.attempts(), trade.order()
    may = allows_failover(heard[-1])
    paid = sum(attempt["status"] == "SUCCEEDED" for attempt in attempts)
    assert len(attempts) == (2 if may else 1), (heard, second)
    assert not any(allows_failover(said) for said in heard[:-1])
    assert [call for call, _ in channels[1].calls].count("pay") == (1 if may else 0)
    assert [call for call, _ in channels[0].calls].count("pay") == 1
    assert paid <= 1
    assert sum(attempt["live_detail_no"] is not None for attempt in attempts) <= 1
    assert (order["status"] == "SUCCESS") == (paid == 1)


def sequences() -> Iterator[tuple[str, str, Said]]:
    """Every answer to pay, and every one that may follow; the repetitive ones only with --long."""
    for first, second in itertools.product(WORDS, WORDS):
        goes_on = allows_failover((first, Cause.SYNC_ANSWER))
        if not goes_on and second != "SUCCEEDED":
            continue  # the second channel is never asked: what it would say makes no difference
        if goes_on and second not in {"SUCCEEDED", "PENDING", "FAILED"} and not LONG:
            continue
        is_open = not goes_on and first in {"PENDING", "UNKNOWN", "NOT_FOUND"}
        causes = LATER if LONG else LATER[:2] if is_open else LATER[:1]
        for said in itertools.product(WORDS, causes):
            yield first, second, said


def test_every_answer_to_pay_and_every_one_thereafter(channels: Channels):
    merchant, earned = make_identity(), 0
    for first, second, said in sequences():
        trade = make_trade(merchant=merchant)
        play(channels, first, second, [said], trade)
        earned += 10_00 * (trade.order()["status"] == "SUCCESS")
    assert make_trade(merchant=merchant).merchant_balance() == earned


@settings(
    max_examples=2_000 if LONG else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(
    first=st.sampled_from(WORDS),
    second=st.sampled_from(WORDS),
    later=st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(LATER)), max_size=6),
)
def test_any_sequence(channels: Channels, first: str, second: str, later: list[Said]):
    play(channels, first, second, later, make_trade())


@pytest.mark.parametrize("word", WORDS)
def test_never_while_the_payment_is_being_closed(channels: Channels, word: str):
    """Closing has begun between the claim and the answer: whatever it is, nobody else is tried."""
    trade = make_trade()
    channels[0].pay_answers.append(answer("PENDING"))
    payment_no = trade.pay().payment_no
    _begin_close(
        order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
    )
    assert _mark_closing(payment_no=payment_no)
    (attempt,) = trade.attempts()

    applied = apply_attempt_outcome(
        attempt_no=attempt["attempt_no"], answer=answer(word), cause=Cause.SYNC_ANSWER
    )

    assert applied.failover_attempt_no is None
    assert len(trade.attempts()) == 1
    assert channels[1].calls == []


def test_never_a_third_time(channels: Channels):
    """When every channel has refused, the payment has failed, and nobody is asked twice."""
    for channel in channels:
        channel.pay_answers.append(answer("RETRIABLE"))
    trade = make_trade()

    assert trade.pay().status == "FAILED"

    assert [attempt["channel_code"] for attempt in trade.attempts()] == ["scripted", "scripted2"]
    assert trade.order()["status"] == "INIT"
    assert [len(channel.calls) for channel in channels] == [1, 1]
