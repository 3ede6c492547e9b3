"""The institution's own durable book: the outside truth that the platform's books are compared with.

SQLite on purpose: another database engine than the platform's, in another file and another process, so that
no fault of our PostgreSQL, and no mistake in using it, can touch what "really" happened. WAL with
``synchronous=FULL``: what was answered or notified survives kill -9 and a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS charge (
    channel TEXT NOT NULL,
    request_no TEXT NOT NULL,
    payment_no TEXT NOT NULL,
    order_no TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,       -- opens the payer's page
    page TEXT NOT NULL,               -- where the payer is expected; empty when nobody is
    channel_trade_no TEXT NOT NULL UNIQUE,
    method TEXT NOT NULL,
    amount INTEGER NOT NULL,          -- what was asked
    charged_amount INTEGER,           -- what was taken
    currency TEXT NOT NULL,
    subject TEXT NOT NULL,
    scenario TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'SUCCEEDED', 'FAILED', 'CLOSED')),
    failure_code TEXT,
    instrument TEXT NOT NULL DEFAULT '',  -- bank code, wallet code or the last four digits of a card
    payee TEXT NOT NULL DEFAULT '',       -- whom the payer pays, as the platform names it
    challenge TEXT NOT NULL DEFAULT '',  -- 'required': 3-D Secure whatever the card
    card_owner TEXT NOT NULL DEFAULT '',  -- whose card may be saved; empty when none may
    saved_card TEXT NOT NULL DEFAULT '',  -- what is told of the card that the payer wished to be saved
    notify_url TEXT NOT NULL,
    return_url TEXT NOT NULL,
    fingerprint TEXT NOT NULL,        -- of the request: the same number with other contents is refused
    expires_at REAL NOT NULL,
    created_at REAL NOT NULL,
    finished_at REAL,
    PRIMARY KEY (channel, request_no),
    CHECK ((status = 'SUCCEEDED') = (charged_amount IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS charge_payment ON charge (payment_no);
CREATE INDEX IF NOT EXISTS charge_order ON charge (order_no);
CREATE INDEX IF NOT EXISTS charge_finished ON charge (channel, finished_at);
CREATE TABLE IF NOT EXISTS tombstone (
    channel TEXT NOT NULL,
    request_no TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (channel, request_no)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS card (
    token TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    owner TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    scenario TEXT NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (channel, owner, last4)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refund (
    channel TEXT NOT NULL,
    refund_no TEXT NOT NULL,
    request_no TEXT NOT NULL,
    payment_no TEXT NOT NULL,
    order_no TEXT NOT NULL,
    channel_refund_no TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('SUCCEEDED', 'FAILED')),
    failure_code TEXT,
    created_at REAL NOT NULL,
    PRIMARY KEY (channel, refund_no)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refund_request ON refund (channel, request_no);
CREATE TABLE IF NOT EXISTS chargeback (
    chargeback_no TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    request_no TEXT NOT NULL,
    payment_no TEXT NOT NULL,
    order_no TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 1),
    currency TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chargeback_request ON chargeback (channel, request_no);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('NOTIFY', 'FORGE', 'CHARGE')),
    channel TEXT NOT NULL,
    request_no TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    due_at REAL NOT NULL,
    first_due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    done_at REAL,
    result TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at) WHERE done_at IS NULL;
"""

_ADDED_COLUMNS: Final = ("payee", "challenge", "card_owner", "saved_card")
"""Columns of ``charge`` that books of an earlier version lack."""

Row = sqlite3.Row


class Book:
    """The book of one institution process. Writers take turns; readers see the last committed state."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._local = threading.local()
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.executescript(SCHEMA)
        self._add_columns()

    def _add_columns(self) -> None:
        with self.write() as turn:
            present = {row["name"] for row in turn.execute("PRAGMA table_info(charge)")}
            for name in _ADDED_COLUMNS:
                if name not in present:
                    turn.execute(f"ALTER TABLE charge ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=30
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give one serialised transaction: on disk when the block ends, gone when it raises."""
        with self._turn:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Read outside any transaction, on this thread's own connection."""
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = self._connect()
        return reader.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """Read the first row, or None."""
        found = self.rows(sql, *values)
        return found[0] if found else None

    def close(self) -> None:
        """Wait for the present writer and close the file."""
        with self._turn:
            self._writer.close()


def read_one(turn: sqlite3.Connection, sql: str, *values: str) -> Any:
    """Read the first row inside a turn, or None."""
    return turn.execute(sql, values).fetchone()


def insert(turn: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    """Write one row; the names are ours, the values whatever was sent."""
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    turn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
