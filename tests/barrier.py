"""Races: several callables begin at the same moment, each in a thread with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections

_PATIENCE_S = 60.0


class Racers:
    """Threads that are kept for many races, with their connections open."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def run(
        self, callables: Sequence[Callable[[], Any]], *, patience_s: float = _PATIENCE_S
    ) -> list[Any]:
        """Run them all at once; return, in their order, what each returned or the exception it raised."""
        gate = threading.Barrier(len(callables))
        racing = [self._pool.submit(_race, gate, function) for function in callables]
        return [race.result(patience_s) for race in racing]


@contextmanager
def racers(count: int) -> Iterator[Racers]:
    """Keep up to ``count`` threads ready for races of at most so many callables."""
    with ThreadPoolExecutor(count, thread_name_prefix="racer") as pool:
        made = Racers(pool)
        try:
            yield made
        finally:
            made.run([connections.close_all] * count)


def run_together(
    callables: Sequence[Callable[[], Any]], *, patience_s: float = _PATIENCE_S
) -> list[Any]:
    """Run them all at once; return, in their order, what each returned or the exception it raised."""
    with racers(len(callables)) as made:
        return made.run(callables, patience_s=patience_s)


def run_times(count: int, function: Callable[[], Any]) -> list[Any]:
    """Run one callable ``count`` times at once."""
    return run_together([function] * count)


def failures(outcomes: Sequence[Any]) -> list[BaseException]:
    """Return the exceptions among the outcomes of a race."""
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]


def _race(gate: threading.Barrier, function: Callable[[], Any]) -> Any:
    """Wait connected for the others, then run; who cannot connect sets the others free to fail as well."""
    try:
        connection.ensure_connection()
    except BaseException as error:  # noqa: BLE001 - the test looks at it
        gate.abort()
        return error
    try:
        gate.wait(_PATIENCE_S)
        return function()
    except BaseException as error:  # noqa: BLE001 - the test looks at it
        return error
