"""What a statement file would show if it were imported, without importing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.services.statements import (
    Spool,
    StatementFile,
    keep_statement,
    open_statement,
    spool_statement,
)
from paymentplatform.kernel import transactions

T = TypeVar("T")


@transactions.forbid
def rehearse_import(file: StatementFile, *, look: Callable[[], T]) -> T:
    """Let ``look`` see the database as it would be with this file imported; keep nothing, return what it saw (forbid).

    Raises as ``import_statement`` does.
    """
    opened = open_statement(file)

    @transactions.start
    def keep_and_look(spool: Spool) -> T:
        transactions.join(keep_statement)(file, opened=opened, spool=spool)
        return look()

    with spool_statement(file, opened=opened, on_progress=lambda _lines: None) as spool:
        return transactions.rehearse(keep_and_look)(spool)
