"""Races: several callables begin at the same moment, each in a thread with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, connections

_PATIENCE_S = 60.0


def run_together(callables: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run them all at once; return, in their order, what each returned or the exception it raised."""
    outcomes: list[Any] = [None] * len(callables)
    gate = threading.Barrier(len(callables))

    def run(index: int, function: Callable[[], Any]) -> None:
        try:
            _arrive(gate)
            outcomes[index] = function()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            outcomes[index] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=(index, function), name=f"racer-{index}", daemon=True)
        for index, function in enumerate(callables)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), f"{thread.name} did not finish in {_PATIENCE_S} s"
    return outcomes


def _arrive(gate: threading.Barrier) -> None:
    """Wait for the others, connected; who cannot connect sets the others free to fail as well."""
    try:
        connection.ensure_connection()
    except BaseException:
        gate.abort()
        raise
    gate.wait(_PATIENCE_S)


def run_times(count: int, function: Callable[[], Any]) -> list[Any]:
    """Run one callable ``count`` times at once."""
    return run_together([function] * count)


def failures(outcomes: Sequence[Any]) -> list[BaseException]:
    """Return the exceptions among the outcomes of a race."""
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
