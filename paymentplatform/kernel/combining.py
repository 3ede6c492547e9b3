"""What threads ask for at the same time is done together, so that they share the cost of one call.

Nobody waits for company: a call that comes while nothing is running runs at once, alone and in its own thread. What
comes meanwhile is queued, and the first in the queue runs it all as soon as the run before has ended. There is no
thread, no timer and no connection of its own: each run uses those of the thread that leads it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class GroupFailed(Exception):
    """A group of several failed as a whole; ``__cause__`` says how. Whether each would fail alone is not known."""


class _Ticket(Generic[ItemT, ResultT]):
    """One thread's call: what it asks for, and what it waits for."""

    __slots__ = ("error", "group", "item", "keys", "result", "wake")

    result: ResultT

    def __init__(self, item: ItemT, keys: frozenset[Hashable]) -> None:
        self.item, self.keys = item, keys
        self.wake = threading.Lock()
        self.group: list[_Ticket[ItemT, ResultT]] | None = None
        self.error: BaseException | None = None


class Combiner(Generic[ItemT, ResultT]):
    """Runs ``run(items)`` for groups of at most ``most`` items, one group at a time.

    ``run`` returns a result for each item, in their order, or raises. Two items that share one of their ``keys`` are
    never in one group.
    """

    def __init__(
        self,
        run: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        *,
        keys: Callable[[ItemT], frozenset[Hashable]],
        most: int,
    ) -> None:
        self._run, self._keys, self._most = run, keys, most
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket[ItemT, ResultT]] = deque()
        self._is_running = False

    def submit(self, item: ItemT) -> ResultT:
        """Have the item done, alone or with others, and return its result.

        Raises what ``run`` raised when it was alone, GroupFailed when others were with it.
        """
        ticket: _Ticket[ItemT, ResultT] = _Ticket(item, self._keys(item))
        with self._lock:
            must_wait = self._is_running
            self._is_running = True
            if must_wait:
                ticket.wake.acquire()
                self._waiting.append(ticket)
        if must_wait:
            ticket.wake.acquire()  # released with our result, or with the group that is ours to run
        else:
            ticket.group = [ticket]
        if ticket.group is not None:
            self._lead(ticket.group)
        if ticket.error is None:
            return ticket.result
        if ticket.group is not None and len(ticket.group) == 1:
            raise ticket.error
        raise GroupFailed from ticket.error

    def _lead(self, group: list[_Ticket[ItemT, ResultT]]) -> None:
        try:
            results = self._run([ticket.item for ticket in group])
            for ticket, result in zip(group, results, strict=True):
                ticket.result = result
        except BaseException as error:  # noqa: BLE001 - raised again by every thread that waits for it
            for ticket in group:
                ticket.error = error
        finally:
            self._hand_over()
            for ticket in group[1:]:
                ticket.wake.release()

    def _hand_over(self) -> None:
        """Let the first that waits run those that can go with it; nothing runs when nobody waits."""
        with self._lock:
            if not self._waiting:
                self._is_running = False
                return
            group: list[_Ticket[ItemT, ResultT]] = []
            passed_over: list[_Ticket[ItemT, ResultT]] = []
            taken: set[Hashable] = set()
            while self._waiting and len(group) < self._most:
                ticket = self._waiting.popleft()
                if taken.isdisjoint(ticket.keys):
                    group.append(ticket)
                    taken |= ticket.keys
                else:
                    passed_over.append(ticket)
            self._waiting.extendleft(reversed(passed_over))
        group[0].group = group
        group[0].wake.release()
