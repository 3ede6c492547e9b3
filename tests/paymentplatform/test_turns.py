"""Turns: in the order of coming, never more at once than allowed, and nobody is stopped for good."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from paymentplatform.payer_handler import AT_ONCE, PayerHandler
from paymentplatform.turns import Turns
from tests.paymentplatform.calling import Answer, call
from tests.waiting import wait_until

NEVER_S = 60.0


def start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_they_go_on_in_the_order_in_which_they_came() -> None:
    turns = Turns(most=1, patience_s=NEVER_S)
    order: list[int] = []

    def go(number: int) -> None:
        with turns.take():
            order.append(number)

    threads = []
    with turns.take():
        for number in range(12):
            threads.append(start(lambda number=number: go(number)))
            wait_until(lambda: turns.waiting == len(threads), what="the next one waits")
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(12))
    assert (turns.free, turns.waiting) == (1, 0)


def test_who_has_waited_long_enough_goes_on_and_is_made_good() -> None:
    turns = Turns(most=1, patience_s=0.01)
    with turns.take():
        with turns.take():
            assert turns.free == -1
        assert turns.free == 0
    assert (turns.free, turns.waiting) == (1, 0)


def test_no_turn_is_lost_or_made_when_patience_ends_at_the_moment_of_handing_over() -> None:
    turns = Turns(most=1, patience_s=1e-6)

    def hurry() -> None:
        for _ in range(1500):
            with turns.take():
                pass

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that it happens every now and then
    try:
        threads = [start(hurry) for _ in range(8)]
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert (turns.free, turns.waiting) == (1, 0)


def test_never_more_at_once_than_allowed() -> None:
    turns = Turns(most=3, patience_s=NEVER_S)
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(40):
            with turns.take():
                with lock:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.0002)
                with lock:
                    inside -= 1

    threads = [start(work) for _ in range(10)]
    for thread in threads:
        thread.join()
    assert most == 3


def test_pages_take_turns_and_forms_do_not() -> None:
    """A form may wait for an institution: it neither waits for pages nor keeps them waiting."""
    handler = PayerHandler()
    handler.turns = Turns(most=AT_ONCE, patience_s=NEVER_S)
    answers: list[Answer] = []
    held = [handler.turns.take() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()
    page = start(lambda: answers.append(call(handler, "GET", "/wallet/login")))
    wait_until(lambda: handler.turns.waiting == 1, what="the page waits")
    form = call(handler, "POST", "/wallet/login/enter", b"x=1")
    assert (form.status, answers) == (403, [])
    for one in held:
        one.__exit__(None, None, None)
    page.join()
    assert [answer.status for answer in answers] == [200]
    assert handler.turns.free == AT_ONCE


def test_a_page_that_fails_gives_its_turn_back() -> None:
    handler = PayerHandler()
    assert call(handler, "GET", "/wallet/no/such/page").status == 404
    assert call(handler, "GET", "/wallet/login?x=%00").status == 400
    assert handler.turns.free == AT_ONCE
