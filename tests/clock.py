"""Virtual time: due times come true without waiting, because ``platform_now()`` moves."""

from __future__ import annotations

import threading
from datetime import datetime

import psycopg


class VirtualClock:
    """The clock of one test database. Moving it needs the owner's address: the application cannot."""

    def __init__(self, owner_address: str) -> None:
        self._owner_address = owner_address
        self._owner: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Hang up."""
        if self._owner is not None:
            self._owner.close()

    def advance(self, seconds: float) -> datetime:
        """Let this many seconds pass at once; returns the new time."""
        return self._change("UPDATE test_clock SET offset_s = offset_s + %s", seconds)

    def restore(self) -> datetime:
        """Go back to the real time."""
        return self._change("UPDATE test_clock SET offset_s = %s", 0)

    def now(self) -> datetime:
        """Return what the platform takes for the present."""
        return self._change("UPDATE test_clock SET offset_s = offset_s + %s", 0)

    def _change(self, statement: str, seconds: float) -> datetime:
        with self._lock:
            if self._owner is None or self._owner.closed:
                self._owner = psycopg.connect(self._owner_address, autocommit=True)
            self._owner.execute(statement, [seconds])
            row = self._owner.execute("SELECT platform_now()").fetchone()
        assert row is not None
        return row[0]
