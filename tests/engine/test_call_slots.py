"""A thread waits a moment for a call that has just begun, and never for an institution that is silent."""

from __future__ import annotations

import threading
import time

from engine.services.call_slots import PATIENCE_S, CallSlots


def test_a_call_that_ends_in_time_gives_its_slot_to_the_next() -> None:
    slots = CallSlots(1)
    held = slots.take()
    assert held is not None
    got: list[float | None] = []
    waiting = threading.Thread(target=lambda: got.append(slots.take()))
    waiting.start()
    slots.give_back(held)
    waiting.join(60)
    assert len(got) == 1
    assert got[0] is not None


def test_a_call_that_takes_long_is_not_waited_for() -> None:
    slots = CallSlots(1)
    assert slots.take() is not None
    assert slots.take() is None  # by now the first call is older than PATIENCE_S
    started = time.monotonic()
    assert [slots.take() for _ in range(50)] == [None] * 50
    assert time.monotonic() - started < PATIENCE_S


def test_there_are_as_many_as_said() -> None:
    slots = CallSlots(2)
    first, second = slots.take(), slots.take()
    assert first is not None
    assert second is not None
    assert slots.take() is None
    slots.give_back(first)
    assert slots.take() is not None
