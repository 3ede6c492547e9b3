"""One move of a state machine, as it is shown: what every app's transition table keeps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Move:
    """One event row; ``from_status`` is empty when the row was made."""

    at: datetime
    machine: str
    object_no: str
    from_status: str
    to_status: str
    cause: str
    actor: str
    request_id: str


def read_move(row: Any) -> Move:
    """Return the move that a row of any app's transition table keeps."""
    return Move(
        at=row.at,
        machine=row.machine,
        object_no=row.object_no,
        from_status=row.from_status,
        to_status=row.to_status,
        cause=row.cause,
        actor=row.actor,
        request_id=row.request_id,
    )
