"""Questions across the apps: does everything agree? The top floor may ask them, and only ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from acquiring import api as acquiring
from checkout import api as checkout
from engine import api as engine
from ledger import api as ledger
from paymentplatform.console.invariants import INVARIANTS
from paymentplatform.console.order_reconciliation import ORDER_CHECKS
from paymentplatform.console.settlement_invariants import SETTLEMENT_INVARIANTS
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.invariants import IN_FLIGHT_S, Difference, Invariant
from paymentplatform.kernel.transactions import one_snapshot

ALL_INVARIANTS: Final[tuple[Invariant, ...]] = tuple(
    sorted(
        (
            *ledger.INVARIANTS,
            *engine.INVARIANTS,
            *acquiring.INVARIANTS,
            *checkout.INVARIANTS,
            *INVARIANTS,
            *SETTLEMENT_INVARIANTS,
        ),
        key=lambda invariant: invariant.number,
    )
)
"""Every promise that has rows so far, by its public number."""

_ONE_ORDER: Final = """
SELECT c.order_no, c.subject, c.problem
  FROM ({check}) AS c (order_no, subject, problem) WHERE %s::text IS NULL OR c.order_no = %s
"""


@dataclass(frozen=True, slots=True)
class ProvenInvariant:
    """One invariant, the rows that break it or are in flight, and how long the question took."""

    invariant: Invariant
    found: tuple[Difference, ...]
    seconds: float

    @property
    def violations(self) -> tuple[Difference, ...]:
        """The rows that break it."""
        return tuple(difference for difference in self.found if not difference.in_flight)

    @property
    def in_flight(self) -> tuple[Difference, ...]:
        """The rows that are still on their way."""
        return tuple(difference for difference in self.found if difference.in_flight)


@dataclass(frozen=True, slots=True)
class Proof:
    """What one snapshot of the whole platform showed."""

    taken_at: datetime
    invariants: tuple[ProvenInvariant, ...]

    @property
    def violations(self) -> tuple[Difference, ...]:
        """Every row that breaks a promise."""
        return tuple(row for proven in self.invariants for row in proven.violations)

    @property
    def in_flight(self) -> tuple[Difference, ...]:
        """Every row that is still on its way."""
        return tuple(row for proven in self.invariants for row in proven.in_flight)


@dataclass(frozen=True, slots=True)
class OrderDifference:
    """One place where an order and what belongs to it disagree; ``order_no`` None when nobody owns the row."""

    order_no: str | None
    subject: str
    problem: str


def prove_invariants(*, on_done: Callable[[Invariant], None] = lambda _: None) -> Proof:
    """Ask every invariant in one snapshot, telling ``on_done`` after each. Not inside a transaction."""
    proven = []
    with one_snapshot():
        taken_at = database_now()
        young_since = taken_at - timedelta(seconds=IN_FLIGHT_S)
        for invariant in ALL_INVARIANTS:
            started = time.monotonic()
            found = tuple(_differences(invariant, young_since=young_since))
            proven.append(ProvenInvariant(invariant, found, time.monotonic() - started))
            on_done(invariant)
    return Proof(taken_at, tuple(proven))


def find_order_differences(*, order_no: str | None = None) -> list[OrderDifference]:
    """Compare orders with payments, journals and events both ways, all or one. Not inside a transaction."""
    with one_snapshot():
        return [
            OrderDifference(*row)
            for check in ORDER_CHECKS
            for row in _rows(_ONE_ORDER.format(check=check), [order_no, order_no])
        ]


def check_order_exists(*, order_no: str) -> None:
    """Raise NotFound for a number of which there is no order: that nothing differs would say nothing."""
    if not acquiring.find_merchant_order_numbers(order_nos=[order_no]):
        raise NotFound(f"There is no order {order_no}.")


def _differences(invariant: Invariant, *, young_since: datetime) -> list[Difference]:
    return [
        Difference(
            invariant=invariant.number,
            title=invariant.title,
            subject=str(subject),
            problem=str(problem),
            in_flight=any(at is not None and at > young_since for at in since),
        )
        for subject, problem, *since in _rows(invariant.sql)
    ]


def _rows(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
