"""A database connection that belongs to no thread, for work that only one thread at a time does.

The server keeps plans for each session: work that moves from thread to thread finds them made, and its memory warm.
"""

from __future__ import annotations

import os
import select
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ConnStatus

MESSAGES_LOOKED_AT: Final = 16
"""An idle connection with more than that to say is better closed."""


class SharedConnection:
    """One connection of this process. Who calls ``get`` must be alone with it until the work is done."""

    def __init__(self) -> None:
        self._wrapper: BaseDatabaseWrapper | None = None
        self._pid = 0

    def get(self) -> BaseDatabaseWrapper:
        """Return the connection, a fresh one where the old one has ended or belongs to a parent process."""
        if self._wrapper is None or self._pid != os.getpid():
            self._wrapper, self._pid = connections.create_connection(DEFAULT_DB_ALIAS), os.getpid()
            self._wrapper.inc_thread_sharing()
        elif self._wrapper.connection is not None and has_ended(self._wrapper.connection.pgconn):
            self._wrapper.close()
        return self._wrapper


def has_ended(pgconn: Any) -> bool:
    """Tell whether the server has ended a connection, without asking it: it says so on its socket."""
    if pgconn.status != ConnStatus.OK:
        return True
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    try:
        # First comes the server's farewell (or a harmless notice), then the end of the stream.
        for _message in range(MESSAGES_LOOKED_AT):
            if not poll.poll(0):
                return bool(pgconn.status != ConnStatus.OK)
            pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return True
