"""Every scenario of the sandbox, for a QR payment and for a card charged from server to server."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from engine.channels.base import Channel, Outcome, PayRequest, TimeLimits
from engine.channels.sandbox.institution.scenarios import SCENARIOS
from tests.engine.channels.conftest import Requests
from tests.engine.channels.receiver import Receiver
from tests.engine.channels.requests import reference, refund_of
from tests.institution_process import InstitutionProcess
from tests.waiting import wait_until

CARD, QR = "card", "qr"
PAYER_WAYS = {QR: "QR_CODE", "wallet": "WALLET", "bank": "NET_BANKING", "card_page": "BANK_CARD"}
"""The four methods with the payer on a page of the institution; ``card`` is charged from server to server."""
WAYS = [CARD, *PAYER_WAYS]
CONFIRMED_BY_PAYER = [
    "success", "duplicate_notifications", "out_of_order", "refund_unknown", "refund_decline",
    "statement_missing", "statement_extra", "statement_amount_differs",
]  # fmt: skip


def _request(new_request: Requests, way: str, scenario: str, **changes: object) -> PayRequest:
    if way == CARD:
        return new_request(token=f"tok_{scenario}", **changes)
    return new_request(scenario=scenario, method=PAYER_WAYS[way], **changes)


def _statuses(institution: InstitutionProcess, request: PayRequest) -> list[str]:
    charges = institution.book(order_no=request.order_no)["charges"]
    return [charge["status"] for charge in charges]


@pytest.mark.parametrize("way", PAYER_WAYS)
@pytest.mark.parametrize("scenario", CONFIRMED_BY_PAYER)
def test_a_page_waits_for_its_payer(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    way: str,
    scenario: str,
):
    request = _request(new_request, way, scenario)
    answer = sandbox.pay(request)
    assert answer.outcome is Outcome.PENDING
    assert answer.action is not None
    assert answer.action.type == ("qr_code" if way == QR else "redirect")
    assert _statuses(institution, request) == ["PENDING"]
    assert institution.confirm(request.payment_no)["status"] == "SUCCEEDED"
    assert institution.confirm(request.payment_no)["status"] == "SUCCEEDED"
    assert _statuses(institution, request) == ["SUCCEEDED"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "scenario", ["unknown_then_success", "garbled_response", "unsigned_response"]
)
def test_a_charge_without_a_readable_answer(
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    way: str,
    scenario: str,
):
    request = _request(new_request, way, scenario)
    assert sandbox.pay(request).outcome is Outcome.UNKNOWN
    found = sandbox.query(reference(request))
    assert (found.outcome, found.amount) == (Outcome.SUCCEEDED, request.amount)
    assert _statuses(institution, request) == ["SUCCEEDED"]
    assert institution.confirm(request.payment_no)["status"] == "SUCCEEDED"
    assert _statuses(institution, request) == ["SUCCEEDED"]


@pytest.mark.parametrize("way", WAYS)
def test_slow_charges_and_answers_too_late(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
):
    monkeypatch.setattr(sandbox, "time_limits", TimeLimits(pay_s=0.3))
    request = _request(new_request, way, "slow")
    assert sandbox.pay(request).outcome is Outcome.UNKNOWN
    wait_until(lambda: _statuses(institution, request) == ["SUCCEEDED"], what="the charge")
    news, *_again = wait_until(lambda: receiver.about(request.request_no))
    assert news.read_by(sandbox).answer.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("way", WAYS)
def test_decline_is_for_good(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, way: str
):
    request = _request(new_request, way, "decline")
    answer = sandbox.pay(request)
    assert (answer.outcome, answer.retriable) == (Outcome.FAILED, False)
    assert answer.failure_code == "declined"
    assert _statuses(institution, request) == ["FAILED"]
    assert sandbox.close(reference(request)).outcome is Outcome.FAILED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", ["decline_retriable", "not_sent"])
def test_the_second_acquirer_takes_what_the_first_does_not(
    channels: dict[str, Channel],
    new_request: Requests,
    institution: InstitutionProcess,
    way: str,
    scenario: str,
):
    request = _request(new_request, way, scenario)
    first = channels["sandbox"].pay(request)
    if scenario == "not_sent":
        assert first.outcome is Outcome.NOT_SENT
        assert _statuses(institution, request) == []
    else:
        assert (first.outcome, first.retriable) == (Outcome.FAILED, True)
    second = channels["sandbox2"].pay(request)
    assert second.outcome is (Outcome.SUCCEEDED if way == CARD else Outcome.PENDING)
    assert institution.confirm(request.payment_no)["status"] == "SUCCEEDED"
    assert _statuses(institution, request).count("SUCCEEDED") == 1


@pytest.mark.parametrize("way", WAYS)
def test_unknown_then_not_charged_is_closed_by_a_tombstone(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, way: str
):
    request = _request(new_request, way, "unknown_then_not_charged")
    assert sandbox.pay(request).outcome is Outcome.UNKNOWN
    assert sandbox.query(reference(request)).outcome is Outcome.NOT_FOUND
    assert sandbox.close(reference(request)).outcome is Outcome.CLOSED
    assert sandbox.pay(request).outcome is Outcome.CLOSED
    assert _statuses(institution, request) == []


def test_success_after_close(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, receiver: Receiver
):
    requests = [_request(new_request, way, "success_after_close") for way in WAYS for _ in range(2)]
    for number, request in enumerate(requests):
        assert sandbox.pay(request).outcome is Outcome.PENDING
        if number % 2:  # the payer may agree before: the institution is "working on it"
            assert institution.confirm(request.payment_no)["status"] == "PENDING"
        assert sandbox.close(reference(request)).outcome is Outcome.CLOSED
        assert _statuses(institution, request) == ["CLOSED"]
    for request in requests:
        news = wait_until(lambda request=request: receiver.about(request.request_no))
        assert news[0].read_by(sandbox).answer.outcome is Outcome.SUCCEEDED
        found = sandbox.query(reference(request))
        assert found.outcome is Outcome.SUCCEEDED
        assert _statuses(institution, request) == ["SUCCEEDED"]
        refund = refund_of(request, found.channel_trade_no)
        assert sandbox.refund(refund).outcome is Outcome.SUCCEEDED


def test_success_after_the_institutions_own_time_is_over(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, receiver: Receiver
):
    """An order that expires is asked about first: by then the institution has closed it by itself."""
    request = _request(new_request, QR, "success_after_close", expires_in_s=1)
    assert sandbox.pay(request).outcome is Outcome.PENDING
    wait_until(lambda: sandbox.query(reference(request)).outcome is Outcome.CLOSED)
    assert sandbox.close(reference(request)).outcome is Outcome.CLOSED
    (news,) = wait_until(lambda: receiver.about(request.request_no))
    assert news.read_by(sandbox).answer.outcome is Outcome.SUCCEEDED
    assert _statuses(institution, request) == ["SUCCEEDED"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("amount", "charged"), [(1234, 1233), (2, 1), (1, 2)])
def test_amount_mismatch_charges_another_amount_and_says_so(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    way: str,
    amount: int,
    charged: int,
):
    request = _request(new_request, way, "amount_mismatch", amount=amount)
    sandbox.pay(request)
    institution.confirm(request.payment_no)
    assert sandbox.query(reference(request)).amount == charged
    [charge] = institution.book(order_no=request.order_no)["charges"]
    assert charge["amount"] == charged


@pytest.mark.parametrize("way", WAYS)
def test_duplicate_notifications(
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    receiver: Receiver,
    way: str,
):
    request = _request(new_request, way, "duplicate_notifications")
    sandbox.pay(request)
    institution.confirm(request.payment_no)
    news = wait_until(
        lambda: len(receiver.about(request.request_no)) == 5 and receiver.about(request.request_no)
    )
    assert {one.read_by(sandbox).answer.outcome for one in news} == {Outcome.SUCCEEDED}


@pytest.mark.parametrize("way", WAYS)
def test_out_of_order(
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    receiver: Receiver,
    way: str,
):
    request = _request(new_request, way, "out_of_order")
    assert sandbox.pay(request).outcome is Outcome.PENDING
    institution.confirm(request.payment_no)
    news = wait_until(
        lambda: len(receiver.about(request.request_no)) == 3 and receiver.about(request.request_no)
    )
    outcomes = [one.read_by(sandbox).answer.outcome for one in news]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.PENDING, Outcome.PENDING]
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("way", WAYS)
def test_a_forged_notification_comes_first(
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    receiver: Receiver,
    way: str,
):
    request = _request(new_request, way, "forged_notification")
    assert sandbox.pay(request).outcome is Outcome.PENDING
    forged = wait_until(lambda: receiver.about(request.request_no))
    assert [one.read_by(sandbox) for one in forged] == [None]
    assert _statuses(institution, request) == ["SUCCEEDED" if way == CARD else "PENDING"]
    institution.confirm(request.payment_no)
    assert sandbox.query(reference(request)).outcome is Outcome.SUCCEEDED


def test_the_true_word_follows_late(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, receiver: Receiver
):
    requests = [
        _request(new_request, CARD, scenario)
        for scenario in ("unknown_then_success", "unsigned_response", "forged_notification")
    ]
    for request in requests:
        sandbox.pay(request)

    def true_words() -> list[bool]:
        return [
            any(one.read_by(sandbox) for one in receiver.about(request.request_no))
            for request in requests
        ]

    assert not any(true_words())
    wait_until(lambda: all(true_words()), 30, every_s=0.5)


def _pay(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, way: str, name: str
) -> tuple[PayRequest, str]:
    """A charge that was made, and the institution's number of it."""
    request = _request(new_request, way, name)
    sandbox.pay(request)
    institution.confirm(request.payment_no)
    return request, sandbox.query(reference(request)).channel_trade_no or ""


@pytest.mark.parametrize("way", WAYS)
def test_refund_unknown_is_done_but_not_answered(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, way: str
):
    request, trade_no = _pay(sandbox, new_request, institution, way, "refund_unknown")
    refund = refund_of(request, trade_no)
    assert sandbox.refund(refund).outcome is Outcome.UNKNOWN
    assert sandbox.query_refund(refund).outcome is Outcome.SUCCEEDED
    assert sandbox.refund(refund).outcome is Outcome.SUCCEEDED
    assert len(institution.book(order_no=request.order_no)["refunds"]) == 1


@pytest.mark.parametrize("way", WAYS)
def test_refund_decline(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, way: str
):
    request, trade_no = _pay(sandbox, new_request, institution, way, "refund_decline")
    refund = refund_of(request, trade_no)
    answer = sandbox.refund(refund)
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "refund_refused")
    assert [one["status"] for one in institution.book(order_no=request.order_no)["refunds"]] == [
        "FAILED"
    ]


def test_statements_lie_as_told_and_add_up(sandbox: Channel, new_request: Requests):
    requests = {
        name: _request(new_request, CARD, name)
        for name in ("success", "statement_missing", "statement_extra", "statement_amount_differs")
    }
    trade_nos = {name: sandbox.pay(request).channel_trade_no for name, request in requests.items()}
    china = datetime.now(UTC) + timedelta(hours=8)
    text = sandbox.fetch_statement(statement_date=china.date()).decode()
    rows = list(csv.reader(io.StringIO(text)))
    lines = [row for row in rows[2:] if not row[0].startswith("#")]
    amounts = {row[1]: int(row[5]) for row in lines}
    assert amounts[trade_nos["success"]] == 1234
    assert trade_nos["statement_missing"] not in amounts
    assert amounts[trade_nos["statement_extra"]] == 1234
    assert amounts[f"{trade_nos['statement_extra']}X"] == 1234
    assert amounts[trade_nos["statement_amount_differs"]] == 1235
    [total] = [row for row in rows if row[0] == "#TOTAL"]
    charges = [row for row in lines if row[0] == "CHARGE"]
    assert [int(total[2]), int(total[3])] == [len(charges), sum(int(row[5]) for row in charges)]
    assert rows[-1] == ["#END", str(len(lines))]


@pytest.mark.parametrize("way", PAYER_WAYS)
def test_a_payer_may_decline(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    receiver: Receiver,
    way: str,
):
    request = new_request(method=PAYER_WAYS[way])
    sandbox.pay(request)
    assert institution.confirm(request.payment_no, decision="decline")["status"] == "FAILED"
    assert institution.confirm(request.payment_no)["http_status"] == 409
    answer = sandbox.query(reference(request))
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "payer_declined")
    told = wait_until(
        lambda: receiver.about(request.request_no)
    )  # at least once: a slow answer repeats it
    assert {news.read_by(sandbox).answer.outcome for news in told} == {Outcome.FAILED}


@pytest.mark.parametrize("token", ["tok_visa", "card", "tok_"])
def test_an_unknown_card_token_is_declined(sandbox: Channel, new_request: Requests, token: str):
    answer = sandbox.pay(new_request(token=token))
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "card_invalid")


@pytest.mark.parametrize(
    "scenario", ["decline", "decline_retriable", "not_sent", "amount_mismatch", "refund_decline"]
)
def test_an_ordinary_card_leaves_it_to_the_order(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess, scenario: str
):
    special = new_request(token=f"tok_{scenario}")
    ordinary = new_request(token="tok_success", scenario=scenario)
    ends = []
    for request in (special, ordinary):
        answer = sandbox.pay(request)
        end = [answer.outcome, answer.retriable, answer.failure_code, answer.amount]
        if scenario == "refund_decline":
            trade_no = answer.channel_trade_no
            assert trade_no is not None
            end.append(sandbox.refund(refund_of(request, trade_no)).outcome)
        ends.append([*end, *_statuses(institution, request)])
    assert ends[0] == ends[1]
    assert ends[0][:1] != [Outcome.SUCCEEDED] or scenario in {"amount_mismatch", "refund_decline"}


def test_an_unknown_scenario_is_refused_and_not_taken_for_success(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(scenario="sucess")
    answer = sandbox.pay(request)
    assert (answer.outcome, answer.failure_code) == (Outcome.FAILED, "request_refused")
    assert _statuses(institution, request) == []


def test_the_tests_above_know_every_scenario():
    named = {
        *CONFIRMED_BY_PAYER, "unknown_then_success", "garbled_response", "unsigned_response", "slow",
        "decline", "decline_retriable", "not_sent", "unknown_then_not_charged", "success_after_close",
        "amount_mismatch", "forged_notification",
    }  # fmt: skip
    assert set(SCENARIOS) == named | {"3ds", "insufficient_funds"}
