"""The port to the dossier 订单档案: every app tells what it knows of an order's life, in time order.

Pure. A source is a function from an order's number to entries; an app registers its own in ``ready()``. What an entry
says is in the language that is active while the source is asked; codes of states and causes stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paymentplatform.kernel.admin_codes import name_machine
from paymentplatform.kernel.history import Move


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: when, what kind, under which number, in one line, and everything kept about it."""

    at: datetime
    kind: str
    number: str
    says: str
    data: Mapping[str, Any]


Source = Callable[[str], Iterable[Entry]]

_sources: dict[str, Source] = {}


def register_dossier_source(name: str, source: Source) -> None:
    """Plug in what one app knows, at start-up; the same name again replaces it."""
    _sources[name] = source


def dossier_sources() -> tuple[Source, ...]:
    """Return every source, in the order of their names."""
    return tuple(_sources[name] for name in sorted(_sources))


def entries_of(
    kind: str, rows: Iterable[Any], *, number: str, at: str, says: Callable[[Any], str]
) -> Iterator[Entry]:
    """Make an entry of each row (a dataclass or a model); ``number`` and ``at`` name its attributes."""
    for row in rows:
        yield Entry(getattr(row, at), kind, str(getattr(row, number)), says(row), _read(row))


def entries_of_moves(moves: Iterable[Move]) -> Iterator[Entry]:
    """Make an entry of each move of a state machine."""
    return entries_of(
        "move",
        moves,
        number="object_no",
        at="at",
        says=lambda move: (
            f"{name_machine(move.machine)}: {move.from_status or '–'} → {move.to_status} ({move.cause}, {move.actor})"
        ),
    )


def _read(row: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return dataclasses.asdict(row)
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}  # noqa: SLF001
