"""Work done together: nobody waits for company, nobody is forgotten, and what must not meet does not."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from paymentplatform.kernel.combining import Combiner, GroupFailed

PATIENCE_S = 20.0


class Work:
    """Squares numbers. While ``gate`` is closed a run waits in it; what each run was given is kept."""

    def __init__(self, *, most: int = 8) -> None:
        self.gate, self.entered = threading.Event(), threading.Semaphore(0)
        self.groups: list[list[int]] = []
        self.running = 0
        self.combiner: Combiner[int, int] = Combiner(
            self._run, keys=lambda item: frozenset([item % 100]), most=most
        )

    def _run(self, items: Sequence[int]) -> list[int]:
        self.running += 1
        assert self.running == 1
        self.groups.append(list(items))
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        self.running -= 1
        if any(item < 0 for item in items):
            raise ValueError(f"negative: {items}")
        return [item * item for item in items]

    def begin(self, pool: ThreadPoolExecutor, *items: int):
        """Submit the items in this order, each in a thread; the first run is on when this returns."""
        futures = []
        for at, item in enumerate(items):
            futures.append(pool.submit(self.combiner.submit, item))
            if at == 0:
                assert self.entered.acquire(timeout=PATIENCE_S)
            else:
                while len(self.combiner._waiting) < at:
                    pass
        return futures


def test_a_lone_call_runs_at_once_in_its_own_thread():
    work = Work()
    work.gate.set()
    assert work.combiner.submit(3) == 9
    assert work.groups == [[3]]


def test_what_comes_meanwhile_goes_together_and_each_gets_its_own_result():
    work = Work()
    with ThreadPoolExecutor(8) as pool:
        futures = work.begin(pool, 1, 2, 3, 4)
        work.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [1, 4, 9, 16]
    assert work.groups == [[1], [2, 3, 4]]


def test_a_group_has_a_largest_size_and_no_two_items_of_one_key():
    work = Work(most=3)
    with ThreadPoolExecutor(8) as pool:
        futures = work.begin(pool, 1, 2, 102, 3, 4, 202)
        work.gate.set()
        for future in futures:
            future.result(PATIENCE_S)
    assert work.groups == [[1], [2, 3, 4], [102], [202]]


def test_an_error_reaches_everybody_of_the_group_and_nobody_else():
    work = Work()
    with ThreadPoolExecutor(8) as pool:
        futures = work.begin(pool, 1, 2, -3, 4)
        work.gate.set()
        assert futures[0].result(PATIENCE_S) == 1
        for future in futures[1:]:
            with pytest.raises(GroupFailed) as failed:
                future.result(PATIENCE_S)
            assert isinstance(failed.value.__cause__, ValueError)
        with pytest.raises(ValueError, match="negative"):
            work.combiner.submit(-5)  # alone: its own error
        assert work.combiner.submit(5) == 25


def test_many_threads_for_a_while_lose_and_mix_up_nothing():
    work = Work(most=5)
    work.gate.set()

    def ask_many(seed: int) -> int:
        dice, wrong = random.Random(seed), 0
        for _ in range(200):
            item = dice.randrange(-20, 1_000)
            with contextlib.suppress(ValueError, GroupFailed):
                wrong += work.combiner.submit(item) != item * item
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask_many, range(16), timeout=60)) == 0
    assert sum(map(len, work.groups)) == 16 * 200
    assert all(len({item % 100 for item in group}) == len(group) for group in work.groups)
