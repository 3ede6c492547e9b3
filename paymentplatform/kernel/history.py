"""One move of a state machine, as it is shown: what every app's transition table keeps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
