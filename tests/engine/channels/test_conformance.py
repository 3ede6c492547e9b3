"""What every channel adapter must do, whatever institution is behind it: ONE suite, run against each counterpart.

It asks an institution for nothing but what ``counterpart.Counterpart`` lists. What an adapter does not declare is
not asked of it, except that it must say so and bother nobody.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.channels.base import (
    Capability,
    Channel,
    ChannelAnswer,
    NotificationRefused,
    Outcome,
    PayRequest,
    StatementUnavailable,
    TimeLimits,
)
from engine.channels.registry import METHODS, find_problems
from tests.engine.channels.counterpart import Counterpart
from tests.engine.channels.lines import LINES, bad_line, changing_line, refused_line
from tests.engine.channels.receiver import Received
from tests.engine.channels.requests import reference, refund_of
from tests.lateness import measuring_time
from tests.waiting import wait_until

SEED = 20_261_122
HASTY = TimeLimits(0.4, 0.4, 0.4, 0.4, 0.4, 0.4)
LATE_BY_S = 0.5
"""How much longer than its limit a call may take on a busy machine."""


def _methods(counterpart: Counterpart) -> list[str]:
    return sorted(counterpart.channel.capabilities & METHODS)


def _first_method(counterpart: Counterpart) -> str:
    return _methods(counterpart)[0]


def _needs(counterpart: Counterpart, capability: Capability) -> Channel:
    if capability not in counterpart.channel.capabilities:
        pytest.skip(f"{counterpart.channel.code} does not declare {capability}")
    return counterpart.channel


def _paid(counterpart: Counterpart, method: str = "", **changes: Any) -> tuple[PayRequest, str]:
    """A request that the payer has paid, with the institution's number of the charge."""
    request = counterpart.new_request(method or _first_method(counterpart), **changes)
    counterpart.channel.pay(request)
    assert counterpart.confirm(request)
    found = counterpart.channel.query(reference(request))
    assert found.outcome is Outcome.SUCCEEDED
    return request, found.channel_trade_no or ""


def _calls(channel: Channel, request: PayRequest) -> dict[str, ChannelAnswer]:
    """Every call that the adapter can make, and what it came to."""
    answers = {"pay": channel.pay(request), "query": channel.query(reference(request))}
    if Capability.CLOSE in channel.capabilities:
        answers["close"] = channel.close(reference(request))
    if Capability.REFUND in channel.capabilities:
        answers["refund"] = channel.refund(refund_of(request, "CH0"))
        answers["query_refund"] = channel.query_refund(refund_of(request, "CH0"))
    return answers


def test_it_declares_itself(counterpart: Counterpart):
    assert find_problems(counterpart.channel) == []
    for capability, options in counterpart.channel.payment_options.items():
        assert len({option.code for option in options}) == len(options), capability
        assert all(option.name_en and option.name_zh for option in options), capability


def test_it_neither_opens_a_database_nor_knows_the_framework(counterpart: Counterpart):
    module = type(counterpart.channel).__module__
    package = module.rpartition(".")[0] if module.startswith("engine.") else module
    for name, found in sys.modules.items():
        if name == module or name.startswith(f"{package}."):
            assert "django" not in inspect.getsource(found), name


def test_a_payment_goes_from_request_to_money(counterpart: Counterpart):
    channel = counterpart.channel
    for method in _methods(counterpart):
        request = counterpart.new_request(method)
        answer = channel.pay(request)
        assert answer.outcome is Outcome.PENDING
        assert answer.action is not None
        if method == "QR_CODE":
            assert answer.action.type == "qr_code"
            assert answer.action.qr_content
            expires_at = datetime.fromisoformat(answer.action.expires_at or "")
            assert abs(expires_at - request.expires_at) < timedelta(seconds=1)
        else:
            assert answer.action.type in {"redirect", "form"}
            assert answer.action.url
        assert channel.query(reference(request)).outcome is Outcome.PENDING
        assert counterpart.charged(request) == []
        assert counterpart.confirm(request)
        paid = channel.query(reference(request))
        assert paid.outcome is Outcome.SUCCEEDED
        assert (paid.amount, paid.currency) == (request.amount, request.currency)
        assert paid.channel_trade_no
        assert counterpart.charged(request) == [request.amount]


def test_its_callback_says_what_its_inquiry_says(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.NOTIFY)
    request, trade_no = _paid(counterpart)
    news = wait_until(lambda: counterpart.callbacks(request))[0]
    notification = channel.parse_notification(headers=news.headers, body=news.body)
    assert notification.request_no == request.request_no
    assert notification.refund_no is None
    assert notification.merchant_account == channel.merchant_account
    answer = notification.answer
    assert (answer.outcome, answer.channel_trade_no) == (Outcome.SUCCEEDED, trade_no)
    assert (answer.amount, answer.currency) == (request.amount, request.currency)
    body, content_type = channel.acknowledge()
    assert isinstance(body, bytes)
    assert content_type


def test_every_option_can_be_chosen(counterpart: Counterpart):
    names = {Capability.NET_BANKING: "bank_code", Capability.WALLET: "wallet_code"}
    for capability, options in counterpart.channel.payment_options.items():
        for option in options:
            request = counterpart.new_request(capability, options={names[capability]: option.code})
            assert counterpart.channel.pay(request).outcome is Outcome.PENDING, option


def test_the_same_number_charges_once(counterpart: Counterpart):
    request = counterpart.new_request(_first_method(counterpart))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(counterpart.channel.pay, [request] * 16))
    assert {answer.outcome for answer in answers} == {Outcome.PENDING}
    assert counterpart.confirm(request)
    assert counterpart.channel.pay(request).outcome is Outcome.SUCCEEDED
    assert counterpart.charged(request) == [request.amount]


def test_the_same_number_with_another_amount_is_not_an_answer_to_rely_on(counterpart: Counterpart):
    request = counterpart.new_request(_first_method(counterpart))
    counterpart.channel.pay(request)
    assert counterpart.channel.pay(replace(request, amount=1)).outcome is Outcome.UNKNOWN
    assert counterpart.confirm(request)
    assert counterpart.charged(request) == [request.amount]


def test_an_unknown_number_is_not_found(counterpart: Counterpart):
    request = counterpart.new_request(_first_method(counterpart))
    assert counterpart.channel.query(reference(request)).outcome is Outcome.NOT_FOUND


def test_an_expired_request_takes_no_money(counterpart: Counterpart):
    request = counterpart.new_request(_first_method(counterpart), expires_in_s=0.4)
    assert counterpart.channel.pay(request).outcome is Outcome.PENDING
    wait_until(lambda: counterpart.channel.query(reference(request)).outcome is Outcome.CLOSED)
    assert not counterpart.confirm(request)
    assert counterpart.charged(request) == []


def test_a_closed_request_takes_no_money(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.CLOSE)
    request = counterpart.new_request(_first_method(counterpart))
    channel.pay(request)
    for _ in range(2):
        assert channel.close(reference(request)).outcome is Outcome.CLOSED
    assert not counterpart.confirm(request)
    assert channel.pay(request).outcome is Outcome.CLOSED
    assert channel.query(reference(request)).outcome is Outcome.CLOSED
    assert counterpart.charged(request) == []


def test_closing_an_unknown_request_leaves_a_tombstone(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.CLOSE)
    request = counterpart.new_request(_first_method(counterpart))
    assert channel.close(reference(request)).outcome is Outcome.CLOSED
    assert channel.query(reference(request)).outcome is Outcome.CLOSED
    assert channel.pay(request).outcome is Outcome.CLOSED
    assert not counterpart.confirm(request)


def test_closing_a_paid_request_tells_that_it_is_paid(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.CLOSE)
    request, trade_no = _paid(counterpart)
    closed = channel.close(reference(request))
    assert closed.outcome is Outcome.SUCCEEDED
    assert (closed.amount, closed.channel_trade_no) == (request.amount, trade_no)


def test_refunds_come_out_of_the_charge_once(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.REFUND)
    request, trade_no = _paid(counterpart, amount=1000)
    first = refund_of(request, trade_no, amount=600)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(channel.refund, [first] * 8))
    assert {answer.outcome for answer in answers} == {Outcome.SUCCEEDED}
    assert len({answer.channel_trade_no for answer in answers}) == 1
    assert counterpart.given_back(first.refund_no) == [600]
    too_much = refund_of(request, trade_no, amount=401)
    assert channel.refund(too_much).outcome is Outcome.FAILED
    assert channel.query_refund(too_much).outcome is Outcome.FAILED
    assert counterpart.given_back(too_much.refund_no) == []
    rest = refund_of(request, trade_no, amount=400)
    assert channel.refund(rest).outcome is Outcome.SUCCEEDED
    assert channel.query_refund(rest).amount == 400
    assert channel.query_refund(refund_of(request, trade_no)).outcome is Outcome.NOT_FOUND
    assert counterpart.charged(request) == [1000]


def test_a_refund_of_nothing_fails_for_good(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.REFUND)
    request = counterpart.new_request(_first_method(counterpart))
    answer = channel.refund(refund_of(request, "CH0"))
    assert (answer.outcome, answer.retriable) == (Outcome.FAILED, False)


def test_what_it_does_not_declare_it_asks_nobody(counterpart: Counterpart):
    visits: list[bool] = []
    with bad_line(lambda _connection: visits.append(True)) as url:
        channel = counterpart.channel_at(url, HASTY)
        request = counterpart.new_request(_first_method(counterpart))
        answers = []
        if Capability.CLOSE not in channel.capabilities:
            answers.append(channel.close(reference(request)))
        if Capability.REFUND not in channel.capabilities:
            answers += [
                channel.refund(refund_of(request, "CH0")),
                channel.query_refund(refund_of(request, "CH0")),
            ]
        if Capability.STATEMENT not in channel.capabilities:
            with pytest.raises(StatementUnavailable):
                channel.fetch_statement(statement_date=datetime.now(UTC).date())
    assert {answer.outcome for answer in answers} <= {Outcome.UNKNOWN}
    assert visits == []


def test_only_a_refused_pay_or_refund_is_not_sent(counterpart: Counterpart):
    request = counterpart.new_request(_first_method(counterpart))
    with refused_line() as url:
        answers = _calls(counterpart.channel_at(url, HASTY), request)
    for name, answer in answers.items():
        expected = Outcome.NOT_SENT if name in {"pay", "refund"} else Outcome.UNKNOWN
        assert answer.outcome is expected, name
    assert counterpart.channel.query(reference(request)).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_is_unknown_and_ends_in_time(counterpart: Counterpart, line: str):
    """Also when the institution sends a byte now and then: a limit is for the whole call."""
    request = counterpart.new_request(_first_method(counterpart))
    with bad_line(LINES[line]) as url:
        channel = counterpart.channel_at(url, HASTY)
        with measuring_time() as span:
            answers = _calls(channel, request)
        if Capability.STATEMENT in channel.capabilities:
            with pytest.raises(StatementUnavailable):
                channel.fetch_statement(statement_date=datetime.now(UTC).date())
    assert {name: answer.outcome for name, answer in answers.items()} == dict.fromkeys(
        answers, Outcome.UNKNOWN
    )
    span.must_be_under(len(answers) * (HASTY.pay_s + LATE_BY_S))
    assert all(answer.raw for answer in answers.values()), "an UNKNOWN says why"


def test_an_answer_changed_on_its_way_is_unknown(counterpart: Counterpart):
    request, _ = _paid(counterpart)
    dice = random.Random(SEED)

    def change(body: bytes) -> bytes:
        at = dice.randrange(len(body))
        return body[:at] + bytes([body[at] ^ (1 << dice.randrange(8))]) + body[at + 1 :]

    with changing_line(counterpart.api_url, lambda body: body) as url:
        unchanged = counterpart.channel_at(url, TimeLimits())
        assert unchanged.query(reference(request)).outcome is Outcome.SUCCEEDED
    with changing_line(counterpart.api_url, change) as url:
        channel = counterpart.channel_at(url, TimeLimits())
        answers = [channel.query(reference(request)) for _ in range(30)]
    assert {answer.outcome for answer in answers} == {Outcome.UNKNOWN}, f"seed {SEED}"


@contextmanager
def _refused(channel: Channel, **said: Any) -> Iterator[None]:
    with pytest.raises(NotificationRefused):
        channel.parse_notification(**said)
    yield


def test_a_changed_callback_is_refused(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.NOTIFY)
    request, _ = _paid(counterpart)
    news: Received = wait_until(lambda: counterpart.callbacks(request))[0]
    dice = random.Random(SEED)
    for _ in range(200):
        at = dice.randrange(len(news.body))
        changed = news.body[:at] + bytes([news.body[at] ^ (1 << dice.randrange(8))])
        with _refused(channel, headers=news.headers, body=changed + news.body[at + 1 :]):
            pass
    for headers, body in (({}, news.body), ({}, b""), (news.headers, b"{}"), ({}, b"\xff")):
        with _refused(channel, headers=headers, body=body):
            pass
    channel.parse_notification(headers=news.headers, body=news.body)


def test_a_statement_names_the_days_charges(counterpart: Counterpart):
    channel = _needs(counterpart, Capability.STATEMENT)
    _, trade_no = _paid(counterpart)
    china = datetime.now(UTC) + timedelta(hours=8)
    assert trade_no in channel.fetch_statement(statement_date=china.date()).decode()
    with pytest.raises(StatementUnavailable):
        channel.fetch_statement(statement_date=china.date() + timedelta(days=2))


def test_the_record_does_not_open_the_payers_page(counterpart: Counterpart):
    for method in _methods(counterpart):
        answer = counterpart.channel.pay(counterpart.new_request(method))
        assert answer.action is not None
        opens = (answer.action.qr_content or answer.action.url or "").rsplit("/", 1)[-1]
        assert opens
        assert opens not in answer.raw
