"""Counting what goes to the database: statements as the code sees them, round trips as the wire sees them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from psycopg.pq import Trace

from paymentplatform.kernel import hotsql


@dataclass
class RoundTrips:
    """What one block sent on this thread's connection.

    ``statements`` are in order (a hot statement by its name). ``on_the_wire`` counts answers waited for, so
    it includes BEGIN, COMMIT and the first PREPARE of a statement; run the block once before to warm it up.
    """

    statements: list[str] = field(default_factory=list)
    on_the_wire: int = 0

    def __len__(self) -> int:
        return len(self.statements)


@contextmanager
def counting_round_trips() -> Iterator[RoundTrips]:
    """Count the statements and round trips of the default connection inside the block."""
    seen = RoundTrips()

    def note_ordinary(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        seen.statements.append(sql)
        return execute(sql, *rest)

    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    with tempfile.TemporaryFile() as trace:
        pgconn.trace(trace.fileno())
        pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        hotsql.observers.append(seen.statements.append)
        try:
            with connection.execute_wrapper(note_ordinary):
                yield seen
        finally:
            hotsql.observers.remove(seen.statements.append)
            pgconn.untrace()
            os.lseek(trace.fileno(), 0, os.SEEK_SET)
            seen.on_the_wire = sum(_ends_a_request(line) for line in trace)


def _ends_a_request(line: bytes) -> bool:
    """Tell whether a line of libpq's trace is a message after which the client waits for an answer."""
    fields = line.split(b"\t")
    return len(fields) > 2 and fields[0] == b"F" and fields[2].strip() in {b"Sync", b"Query"}
