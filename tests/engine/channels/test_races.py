"""The institution under concurrency and kill -9: one winner, and what was said stays true."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.channels.base import Channel, Outcome, TimeLimits
from engine.channels.sandbox.institution.book import Book
from tests.engine.channels.conftest import Requests, build_channels
from tests.engine.channels.receiver import Receiver
from tests.engine.channels.requests import make_request, reference
from tests.institution_process import InstitutionProcess, free_port_pair
from tests.lateness import measuring_time
from tests.waiting import wait_until

ROUNDS = 200
SEED = 7


def test_confirm_and_close_have_one_winner(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    dice = random.Random(SEED)
    winners: Counter[str] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            request = new_request(notify_url="http://127.0.0.1:9/nobody")
            sandbox.pay(request)
            pauses = dice.choice(
                [(0.0, 0.0), (0.002, 0.0), (0.0, 0.002), (0.0, dice.random() / 500)]
            )
            gate = threading.Barrier(2)

            def confirm(request=request, pause=pauses[0], gate=gate):
                gate.wait()
                time.sleep(pause)
                return institution.confirm(request.payment_no)

            def close(request=request, pause=pauses[1], gate=gate):
                gate.wait()
                time.sleep(pause)
                return sandbox.close(reference(request))

            confirming, closing = pool.submit(confirm), pool.submit(close)
            confirmed, closed = confirming.result(), closing.result()
            [charge] = institution.book(order_no=request.order_no)["charges"]
            winners[charge["status"]] += 1
            if charge["status"] == "SUCCEEDED":
                assert confirmed == {"payment_no": request.payment_no, "status": "SUCCEEDED"}
                assert closed.outcome is Outcome.SUCCEEDED
            else:
                assert charge["status"] == "CLOSED"
                assert confirmed["http_status"] == 409
                assert closed.outcome is Outcome.CLOSED
            assert sandbox.query(reference(request)).outcome is closed.outcome
    assert set(winners) == {"SUCCEEDED", "CLOSED"}, f"{winners}, seed {SEED}"


def test_pay_and_close_agree(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    winners: Counter[Outcome] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for number in range(60):
            request = new_request(token="tok_success", notify_url="http://127.0.0.1:9/nobody")
            first, second = (sandbox.pay, sandbox.close)
            arguments = (request, reference(request))
            if number % 2:
                first, second, arguments = second, first, arguments[::-1]
            results = [pool.submit(first, arguments[0]), pool.submit(second, arguments[1])]
            outcomes = {result.result().outcome for result in results}
            assert len(outcomes) == 1
            winners.update(outcomes)
            charged = institution.book(order_no=request.order_no)["charges"]
            assert len(charged) == (1 if outcomes == {Outcome.SUCCEEDED} else 0)
    assert set(winners) == {Outcome.SUCCEEDED, Outcome.CLOSED}


def test_killed_after_the_charge_it_notifies_when_it_is_back(own_institution: InstitutionProcess):
    port = free_port_pair()
    channel = build_channels(own_institution)["sandbox"]
    request = make_request(notify_url=f"http://127.0.0.1:{port}/notify")
    channel.pay(request)
    own_institution.confirm(request.payment_no)
    own_institution.kill()
    receiver = Receiver(port)
    try:
        own_institution.start()
        news = wait_until(lambda: receiver.about(request.request_no))
        assert news[0].read_by(channel).answer.outcome is Outcome.SUCCEEDED
        assert channel.query(reference(request)).outcome is Outcome.SUCCEEDED
        [charge] = own_institution.book(order_no=request.order_no)["charges"]
        assert charge["status"] == "SUCCEEDED"
    finally:
        receiver.close()


def test_the_book_is_durable(tmp_path: Path):
    """kill -9 cannot prove this (the kernel keeps what was written): a power cut needs these settings."""
    book = Book(tmp_path / "book.sqlite3")
    with book.write() as turn:
        assert turn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert turn.execute("PRAGMA synchronous").fetchone()[0] == 2
    book.close()


def test_a_close_survives_kill_and_so_does_the_charge_that_follows_it(
    own_institution: InstitutionProcess,
):
    channel = build_channels(own_institution)["sandbox"]
    unknown = make_request(token="tok_success")
    misbehaving = make_request(scenario="success_after_close")
    channel.pay(misbehaving)
    assert channel.close(reference(unknown)).outcome is Outcome.CLOSED
    assert channel.close(reference(misbehaving)).outcome is Outcome.CLOSED
    own_institution.kill()
    own_institution.start()
    assert channel.pay(unknown).outcome is Outcome.CLOSED
    wait_until(lambda: channel.query(reference(misbehaving)).outcome is Outcome.SUCCEEDED)


def test_what_was_answered_is_in_the_book_after_kill(own_institution: InstitutionProcess):
    receiver = Receiver()
    channel = build_channels(own_institution)["sandbox"]
    answered, asked, stop = [], [], threading.Event()

    def keep_paying() -> None:
        while not stop.is_set():
            request = make_request(token="tok_success", notify_url=f"{receiver.url}/notify")
            asked.append(request)
            if channel.pay(request).outcome is Outcome.SUCCEEDED:
                answered.append(request)

    payers = [threading.Thread(target=keep_paying, daemon=True) for _ in range(4)]
    for payer in payers:
        payer.start()
    for _ in range(3):
        count = len(answered) + 20
        wait_until(lambda count=count: len(answered) >= count)
        own_institution.kill()
        own_institution.start()
    stop.set()
    for payer in payers:
        payer.join(timeout=20)
    book = own_institution.book(full="1")["charges"]
    charged = {charge["request_no"] for charge in book if charge["status"] == "SUCCEEDED"}
    assert len(charged) == len(book)
    assert {request.request_no for request in answered} <= charged
    assert charged <= {request.request_no for request in asked}
    wait_until(lambda: all(receiver.about(request_no) for request_no in charged), every_s=0.5)
    receiver.close()


def test_many_may_wait_in_a_black_hole_while_control_answers(
    own_institution: InstitutionProcess, monkeypatch: pytest.MonkeyPatch
):
    channel = build_channels(own_institution)["sandbox"]
    monkeypatch.setattr(channel, "time_limits", TimeLimits(pay_s=2.0))
    own_institution.fault("black_hole", 60)
    with ThreadPoolExecutor(60) as pool:
        requests = [make_request(token="tok_success") for _ in range(60)]
        waiting = [pool.submit(channel.pay, request) for request in requests]
        with measuring_time() as span:
            own_institution.book()
        span.must_be_under(1)
        assert {one.result().outcome for one in waiting} == {Outcome.UNKNOWN}
    own_institution.fault("up")
    assert own_institution.book()["charges"] == []
    assert channel.pay(make_request(token="tok_success")).outcome is Outcome.SUCCEEDED


def test_faults_end_by_themselves(own_institution: InstitutionProcess):
    channel = build_channels(own_institution)["sandbox"]
    for mode in ("refuse", "black_hole"):
        own_institution.fault(mode, 0.3)
        wait_until(
            lambda: channel.pay(make_request(token="tok_success")).outcome is Outcome.SUCCEEDED, 15
        )


def test_it_ends_kindly(own_institution: InstitutionProcess):
    build_channels(own_institution)["sandbox"].pay(make_request(token="tok_success"))
    assert own_institution.stop() == 0
    own_institution.start()
    assert len(own_institution.book()["charges"]) == 1
