"""What every channel adapter must do, whatever institution is behind it: run over all registered channels.

A channel is played by its real counterpart over HTTP; a new adapter adds its own to ``conftest.build_channels``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from engine.channels.base import (
    Capability,
    Channel,
    NotificationRefused,
    Outcome,
    PayRequest,
    StatementUnavailable,
)
from tests.engine.channels.conftest import Requests, reference, refund_of
from tests.engine.channels.receiver import Receiver
from tests.institution_process import InstitutionProcess
from tests.waiting import wait_until

CODES = [import_string(path).code for path in settings.CHANNELS]
PAYER_METHODS = ["QR_CODE", "WALLET", "NET_BANKING", "BANK_CARD"]


@pytest.fixture(params=CODES)
def channel(request: pytest.FixtureRequest, channels: dict[str, Channel]) -> Channel:
    return channels[request.param]


@pytest.fixture
def payer_agrees(institution: InstitutionProcess) -> Callable[[PayRequest], object]:
    return lambda request: institution.confirm(request.payment_no)


def test_it_declares_itself(channel: Channel):
    assert channel.code
    assert channel.merchant_account
    assert all(isinstance(capability, Capability) for capability in channel.capabilities)
    for name in ("pay", "query", "close", "refund", "query_refund", "parse_notification"):
        assert callable(getattr(channel, name))


def test_it_neither_opens_a_database_nor_knows_the_framework(channel: Channel):
    source = inspect.getsource(inspect.getmodule(type(channel)))  # type: ignore[arg-type]
    assert "django" not in source


@pytest.mark.parametrize("method", PAYER_METHODS)
def test_a_payment_goes_from_request_to_money(
    channel: Channel, new_request: Requests, payer_agrees, receiver: Receiver, method: str
):
    if Capability(method) not in channel.capabilities:
        pytest.skip("not declared")
    request = new_request(method=method)
    answer = channel.pay(request)
    assert answer.outcome is Outcome.PENDING
    assert answer.action is not None
    if method == "QR_CODE":
        assert answer.action.type == "qr_code"
        assert answer.action.qr_content
        expires_at = datetime.fromisoformat(answer.action.expires_at or "")
        assert abs(expires_at - request.expires_at) < timedelta(seconds=1)
    else:
        assert answer.action.type == "redirect"
        assert answer.action.url
    assert channel.query(reference(request)).outcome is Outcome.PENDING
    payer_agrees(request)
    paid = channel.query(reference(request))
    assert paid.outcome is Outcome.SUCCEEDED
    assert (paid.amount, paid.currency) == (request.amount, request.currency)
    assert paid.channel_trade_no
    news = wait_until(lambda: receiver.about(request.request_no))[0]
    notification = channel.parse_notification(headers=news.headers, body=news.body)
    assert notification.request_no == request.request_no
    assert notification.refund_no is None
    assert notification.merchant_account == channel.merchant_account
    assert notification.answer.outcome is Outcome.SUCCEEDED
    assert notification.answer.channel_trade_no == paid.channel_trade_no
    assert (notification.answer.amount, notification.answer.currency) == (request.amount, "CNY")


def test_the_same_number_charges_once(
    channel: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(channel.pay, [request] * 16))
    assert {answer.outcome for answer in answers} == {Outcome.SUCCEEDED}
    assert len({answer.channel_trade_no for answer in answers}) == 1
    [charge] = institution.book(order_no=request.order_no)["charges"]
    assert (charge["status"], charge["amount"]) == ("SUCCEEDED", request.amount)


def test_the_same_number_with_another_amount_is_not_an_answer_to_rely_on(
    channel: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success")
    assert channel.pay(request).outcome is Outcome.SUCCEEDED
    assert channel.pay(replace(request, amount=1)).outcome is Outcome.UNKNOWN
    [charge] = institution.book(order_no=request.order_no)["charges"]
    assert charge["amount"] == request.amount


def test_an_unknown_number_is_not_found(channel: Channel, new_request: Requests):
    assert channel.query(reference(new_request())).outcome is Outcome.NOT_FOUND


def test_a_closed_request_takes_no_money(
    channel: Channel, new_request: Requests, payer_agrees, institution: InstitutionProcess
):
    request = new_request()
    channel.pay(request)
    assert channel.close(reference(request)).outcome is Outcome.CLOSED
    assert channel.close(reference(request)).outcome is Outcome.CLOSED
    assert payer_agrees(request)["http_status"] == 409
    assert channel.pay(request).outcome is Outcome.CLOSED
    assert channel.query(reference(request)).outcome is Outcome.CLOSED
    [charge] = institution.book(order_no=request.order_no)["charges"]
    assert charge["status"] == "CLOSED"


def test_closing_an_unknown_request_leaves_a_tombstone(
    channel: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success")
    assert channel.close(reference(request)).outcome is Outcome.CLOSED
    assert channel.query(reference(request)).outcome is Outcome.CLOSED
    assert channel.pay(request).outcome is Outcome.CLOSED
    assert institution.book(order_no=request.order_no)["charges"] == []


def test_closing_a_paid_request_tells_that_it_is_paid(channel: Channel, new_request: Requests):
    request = new_request(token="tok_success")
    paid = channel.pay(request)
    closed = channel.close(reference(request))
    assert closed.outcome is Outcome.SUCCEEDED
    assert (closed.amount, closed.channel_trade_no) == (request.amount, paid.channel_trade_no)


def test_an_expired_request_takes_no_money(
    channel: Channel, new_request: Requests, payer_agrees, institution: InstitutionProcess
):
    request = new_request(expires_in_s=0.4)
    assert channel.pay(request).outcome is Outcome.PENDING
    wait_until(lambda: channel.query(reference(request)).outcome is Outcome.CLOSED, 5)
    assert payer_agrees(request)["http_status"] == 409
    late = new_request(token="tok_success", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert channel.pay(late).outcome is Outcome.CLOSED
    for one in (request, late):
        [charge] = institution.book(order_no=one.order_no)["charges"]
        assert charge["status"] == "CLOSED"


def test_refunds_come_out_of_the_charge_once(
    channel: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success", amount=1000)
    trade_no = channel.pay(request).channel_trade_no
    first = refund_of(request, trade_no, amount=600)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(channel.refund, [first] * 8))
    assert {answer.outcome for answer in answers} == {Outcome.SUCCEEDED}
    assert len({answer.channel_trade_no for answer in answers}) == 1
    too_much = refund_of(request, trade_no, amount=401)
    assert channel.refund(too_much).outcome is Outcome.FAILED
    assert channel.query_refund(too_much).outcome is Outcome.FAILED
    rest = refund_of(request, trade_no, amount=400)
    assert channel.refund(rest).outcome is Outcome.SUCCEEDED
    assert channel.query_refund(rest).amount == 400
    assert channel.query_refund(refund_of(request, trade_no)).outcome is Outcome.NOT_FOUND
    book = institution.book(order_no=request.order_no)
    done = [refund["amount"] for refund in book["refunds"] if refund["status"] == "SUCCEEDED"]
    assert sorted(done) == [400, 600]
    assert [charge["status"] for charge in book["charges"]] == ["SUCCEEDED"]


def test_a_refund_of_nothing_fails_for_good(channel: Channel, new_request: Requests):
    answer = channel.refund(refund_of(new_request(), "CH0"))
    assert (answer.outcome, answer.retriable) == (Outcome.FAILED, False)


def test_a_refused_connection_is_not_sent(
    channel: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success")
    channel.query(reference(request))  # a connection that is kept must not spoil the proof
    institution.fault("refuse")
    try:
        assert channel.pay(request).outcome is Outcome.NOT_SENT
        assert channel.query(reference(request)).outcome is Outcome.UNKNOWN
        assert channel.close(reference(request)).outcome is Outcome.UNKNOWN
    finally:
        institution.fault("up")
    assert channel.query(reference(request)).outcome is Outcome.NOT_FOUND


def test_silence_is_unknown_and_ends_in_time(
    channel: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    monkeypatch: pytest.MonkeyPatch,
):
    module = inspect.getmodule(type(channel))
    for name in ():
        monkeypatch.setattr(module, name, 0.4)
    request = new_request(token="tok_success")
    institution.fault("black_hole")
    try:
        before = datetime.now(UTC)
        answers = [
            channel.pay(request),
            channel.query(reference(request)),
            channel.close(reference(request)),
            channel.refund(refund_of(request, "CH0")),
            channel.query_refund(refund_of(request, "CH0")),
        ]
        assert datetime.now(UTC) - before < timedelta(seconds=5 * 0.4 + 1)
    finally:
        institution.fault("up")
    assert {answer.outcome for answer in answers} == {Outcome.UNKNOWN}
    assert channel.query(reference(request)).outcome is Outcome.NOT_FOUND


def test_a_statement_names_the_days_charges(channel: Channel, new_request: Requests):
    request = new_request(token="tok_success")
    trade_no = channel.pay(request).channel_trade_no
    china = datetime.now(UTC) + timedelta(hours=8)
    text = channel.fetch_statement(statement_date=china.date()).decode()
    assert trade_no in text
    assert text.rstrip().splitlines()[-1].startswith("#END")
    with pytest.raises(StatementUnavailable):
        channel.fetch_statement(statement_date=china.date() + timedelta(days=2))


def test_junk_is_never_a_notification(channel: Channel):
    for headers, body in (({}, b""), ({"Content-Type": "application/json"}, b"{}"), ({}, b"\xff")):
        with pytest.raises(NotificationRefused):
            channel.parse_notification(headers=headers, body=body)


def test_the_record_holds_no_secret_of_the_payer(channel: Channel, new_request: Requests):
    answer = channel.pay(new_request())
    assert answer.action is not None
    token = (answer.action.qr_content or "").rsplit("/", 1)[-1]
    assert token
    assert token not in answer.raw
