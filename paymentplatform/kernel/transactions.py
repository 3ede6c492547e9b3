"""Three intentions toward the database transaction, each failing loudly in the wrong place.

*start* opens the outermost, durable transaction; *require* must already be inside one; *forbid* must be outside
of any, because it waits for a network. (After django-subatomic.)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar, cast

from django.db import OperationalError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")

_RETRIED_SQLSTATES: Final = frozenset({"40P01", "40001"})
_TRIES: Final = 4


class TransactionMisuse(RuntimeError):
    """A function was called on the wrong side of a transaction. A bug, never a business outcome."""


def start(function: Callable[P, R]) -> Callable[P, R]:
    """Run the function in its own outermost transaction; committed when it returns.

    A deadlock or serialization failure rolls back and runs the whole function again (at most 4 times), which is
    safe because nothing inside may touch the network. Raises TransactionMisuse when already inside one.
    """

    @wraps(function)
    def in_own_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        forbid_transaction(function.__qualname__)
        for attempt in range(1, _TRIES + 1):
            try:
                with transaction.atomic(durable=True):
                    return function(*args, **kwargs)
            except OperationalError as error:
                sqlstate = getattr(error.__cause__, "sqlstate", None)
                if sqlstate not in _RETRIED_SQLSTATES or attempt == _TRIES:
                    raise
                time.sleep(random.uniform(0.005, 0.02) * attempt)  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    in_own_transaction.intention = "start"  # type: ignore[attr-defined]
    return in_own_transaction


def join(function: Callable[P, R]) -> Callable[P, R]:
    """Return a *start* service as a part of the caller's transaction instead (require).

    For what must be written together with it, such as the audit line of an operator's act.
    """
    if getattr(function, "intention", None) != "start":
        message = f"{function.__qualname__} does not start a transaction"
        raise TransactionMisuse(message)
    return require(function.__wrapped__)  # type: ignore[attr-defined]


def rehearse(function: Callable[P, R]) -> Callable[P, R]:
    """Return a *start* service that does its whole work, keeps nothing of it, and tells what it has found (start).

    What it would have done after its commit is not done.
    """
    if getattr(function, "intention", None) != "start":
        message = f"{function.__qualname__} does not start a transaction"
        raise TransactionMisuse(message)

    @start
    @wraps(function)
    def rolled_back(*args: P.args, **kwargs: P.kwargs) -> R:
        found = function.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]
        transaction.set_rollback(True)
        return cast(R, found)

    return rolled_back


def require(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse to run unless the caller has opened a transaction."""

    @wraps(function)
    def inside_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if not connection.in_atomic_block:
            message = f"{function.__qualname__} must be called inside a transaction"
            raise TransactionMisuse(message)
        return function(*args, **kwargs)

    return inside_transaction


def forbid(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse to run inside a transaction: this function waits for something outside the database."""

    @wraps(function)
    def outside_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        forbid_transaction(function.__qualname__)
        return function(*args, **kwargs)

    return outside_transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let every query of the block see the same moment, write nothing and take as long as it needs.

    Opens the outermost transaction: REPEATABLE READ, READ ONLY.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        yield


def forbid_transaction(what: str) -> None:
    """Raise TransactionMisuse when a transaction is open on this thread's connection."""
    if connection.in_atomic_block:
        message = f"{what} must not be called inside a transaction"
        raise TransactionMisuse(message)


def after_commit(callback: Callable[[], None]) -> None:
    """Run the callback once the present transaction has committed (at once when there is none)."""
    transaction.on_commit(callback)
