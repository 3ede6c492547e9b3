"""Refunds are told of as well: signed, by the refund's number, possibly more than once and out of order."""

from __future__ import annotations

import pytest

from engine.channels.base import Channel, Outcome
from tests.engine.channels.conftest import Requests
from tests.engine.channels.receiver import Receiver
from tests.engine.channels.requests import refund_of
from tests.waiting import wait_until


def _refund(channel: Channel, new_request: Requests, scenario: str):
    request = new_request(token=f"tok_{scenario}")
    refund = refund_of(request, channel.pay(request).channel_trade_no or "", amount=200)
    return refund, channel.refund(refund)


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [("success", Outcome.SUCCEEDED), ("refund_decline", Outcome.FAILED)],
)
def test_a_refund_is_told_of_by_its_number(
    *,
    sandbox: Channel,
    new_request: Requests,
    receiver: Receiver,
    scenario: str,
    outcome: Outcome,
):
    refund, answer = _refund(sandbox, new_request, scenario)
    assert answer.outcome is outcome
    told = wait_until(lambda: receiver.about(refund.refund_no))[0].read_by(sandbox)
    assert told is not None
    assert (told.refund_no, told.request_no) == (refund.refund_no, None)
    assert told.merchant_account == sandbox.merchant_account
    assert told.answer.outcome is outcome
    assert (told.answer.amount, told.answer.currency) == (200, "CNY")
    assert told.answer.channel_trade_no == answer.channel_trade_no


def test_it_may_be_told_five_times(sandbox: Channel, new_request: Requests, receiver: Receiver):
    refund, _ = _refund(sandbox, new_request, "duplicate_notifications")
    news = wait_until(
        lambda: len(receiver.about(refund.refund_no)) >= 5 and receiver.about(refund.refund_no)
    )
    assert {one.read_by(sandbox).answer.outcome for one in news} == {Outcome.SUCCEEDED}


def test_an_older_state_may_come_after_a_newer(
    sandbox: Channel, new_request: Requests, receiver: Receiver
):
    refund, _ = _refund(sandbox, new_request, "out_of_order")
    news = wait_until(
        lambda: len(receiver.about(refund.refund_no)) >= 3 and receiver.about(refund.refund_no)
    )
    outcomes = [one.read_by(sandbox).answer.outcome for one in news]
    assert outcomes[0] is Outcome.SUCCEEDED
    assert outcomes[-1] is Outcome.PENDING


def test_a_forged_one_comes_first_and_is_refused(
    sandbox: Channel, new_request: Requests, receiver: Receiver
):
    refund, answer = _refund(sandbox, new_request, "forged_notification")
    assert answer.outcome is Outcome.SUCCEEDED
    forged = wait_until(lambda: receiver.about(refund.refund_no))[0]
    assert forged.read_by(sandbox) is None


def test_a_repeated_refund_is_not_told_of_again(
    sandbox: Channel, new_request: Requests, receiver: Receiver
):
    refund, _ = _refund(sandbox, new_request, "success")
    wait_until(lambda: receiver.about(refund.refund_no))
    before = {news.body for news in receiver.about(refund.refund_no)}
    sandbox.refund(refund)
    other, _ = _refund(sandbox, new_request, "success")
    wait_until(lambda: receiver.about(other.refund_no))
    assert {news.body for news in receiver.about(refund.refund_no)} == before
