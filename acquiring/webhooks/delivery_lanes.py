"""Who may send next, so that no slow receiver delays another. Pure: imports no framework.

A queue is what goes to one endpoint, or to all notify_urls of one merchant. Senders are threads that mostly wait. A
send that is answered within a second never counts for long; one that lingers moves over to the slow lane, and a
receiver known to be slow starts there. The slow lane may take only a part of the senders. When that many linger, a
receiver nothing is known of starts with one send, and the last senders are kept for receivers known to be quick: many
that hang at once, known or not, leave room for everybody else.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SENDERS: Final = 128
FAST_SENDERS: Final = 32
SLOW_SENDERS: Final = 64
STRANGE_SENDERS: Final = 112
"""How many sends may linger before only receivers known to be quick start."""

PER_QUEUE: Final = 8
PER_DOUBTFUL_QUEUE: Final = 1
LINGERS_AFTER_S: Final = 1.0
HANGS_AFTER_S: Final = 5.0
REMEMBERED_S: Final = 600.0
REST_S: Final = 2.0
STRANGE_REST_S: Final = 0.5


@dataclass(slots=True)
class Memory:
    """How receivers were lately: name of the receiver, until when (monotonic) it is taken to be so.

    Outlives a run. A receiver is an endpoint's id, or the host of a notify_url.
    """

    quick: dict[str, float] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    hanging: dict[str, float] = field(default_factory=dict)

    def note(self, receiver: str, took_s: float, *, timed_out: bool = False) -> None:
        """Remember how long an answer, or giving up, has taken; no answer in time is hanging, however long it was."""
        now = time.monotonic()
        for kind in (self.quick, self.slow, self.hanging):
            kind.pop(receiver, None)
        if took_s < LINGERS_AFTER_S and not timed_out:
            self.quick[receiver] = now + REMEMBERED_S
            return
        for kind in (self.quick, self.slow, self.hanging):
            for name in [name for name, until in kind.items() if until <= now]:
                kind.pop(name, None)
        self.slow[receiver] = now + REMEMBERED_S
        if timed_out or took_s >= HANGS_AFTER_S:
            self.hanging[receiver] = now + REMEMBERED_S

    def clear(self) -> None:
        """Forget everything."""
        for kind in (self.quick, self.slow, self.hanging):
            kind.clear()


@dataclass(slots=True)
class _Send:
    queue: str
    receiver: str
    started: float
    slow: bool


@dataclass(slots=True)
class Lanes:
    """The sends of one run. ``closed_to_hanging`` keeps receivers known to hang waiting: the run wants to end."""

    memory: Memory = field(default_factory=Memory)
    closed_to_hanging: bool = False
    _sends: dict[str, _Send] = field(default_factory=dict)
    _resting_until: dict[str, float] = field(default_factory=dict)

    def count_room(self) -> int:
        """How many sends may start now."""
        young = len(self._sends) - self.count_lingering()
        return max(0, min(FAST_SENDERS - young, SENDERS - len(self._sends)))

    def count_lingering(self) -> int:
        """How many sends are in the slow lane, or have got there."""
        now = time.monotonic()
        return sum(
            send.slow or now - send.started >= LINGERS_AFTER_S for send in self._sends.values()
        )

    def has_slow_room(self) -> bool:
        """Tell whether a receiver that gave no answer in time may be tried now."""
        return not self.closed_to_hanging and self.count_lingering() < SLOW_SENDERS

    def list_busy_queues(self) -> list[str]:
        """Queues of which no further row should be claimed at present."""
        now = time.monotonic()
        self._resting_until = {q: until for q, until in self._resting_until.items() if until > now}
        under_way = Counter(send.queue for send in self._sends.values())
        full = {queue for queue, sends in under_way.items() if sends >= PER_QUEUE}
        return sorted(full | self._resting_until.keys())

    def start_or_rest(
        self, *, delivery_no: str, queue: str, receiver: str, timed_out_before: bool
    ) -> float:
        """Book a sender and return 0, or return for how many seconds the row, and its queue, must wait."""
        now = time.monotonic()
        memory = self.memory
        quick = memory.quick.get(receiver, 0.0) > now
        slow = not quick and (timed_out_before or memory.slow.get(receiver, 0.0) > now)
        hanging = slow and (timed_out_before or memory.hanging.get(receiver, 0.0) > now)
        if hanging:
            rest_s = 0.0 if self.has_slow_room() and self._is_first(queue) else REST_S
        elif slow:
            rest_s = 0.0 if self.count_lingering() < SLOW_SENDERS else REST_S
        else:
            rest_s = 0.0 if quick or self._has_strange_room(queue) else STRANGE_REST_S
        if rest_s:
            self._resting_until[queue] = now + rest_s
        else:
            self._sends[delivery_no] = _Send(queue, receiver, now, slow)
        return rest_s

    def _has_strange_room(self, queue: str) -> bool:
        lingering = self.count_lingering()
        return lingering < SLOW_SENDERS or (lingering < STRANGE_SENDERS and self._is_first(queue))

    def _is_first(self, queue: str) -> bool:
        under_way = sum(send.queue == queue for send in self._sends.values())
        return under_way < PER_DOUBTFUL_QUEUE

    def end(self, *, delivery_no: str, took_s: float, timed_out: bool = False) -> None:
        """Give the sender back and remember how quick the receiver was; no effect on a send never started."""
        send = self._sends.pop(delivery_no, None)
        if send is not None:
            self.memory.note(send.receiver, took_s, timed_out=timed_out)
